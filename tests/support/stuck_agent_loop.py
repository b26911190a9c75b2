"""An agent loop of which a share of the rollouts never ends, as if a server had lost their requests."""

import asyncio
from itertools import count
from typing import Any, ClassVar

from storm_calm.rl.rollout.agent_loop import StormAgentLoop


class StuckAgentLoop(StormAgentLoop):
    """Five per cent of the rollouts are stuck: the tenth in each process, and every twentieth after it."""

    started: ClassVar[count] = count(1)

    async def _run(self, sampling_params: dict[str, Any], row: dict[str, Any]) -> Any:
        if next(self.started) % 20 == 10:
            await asyncio.Event().wait()
        return await super()._run(sampling_params, row)
