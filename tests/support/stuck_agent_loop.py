"""An agent loop of which a share of the rollouts never ends, as if a server had lost their requests."""

import asyncio
from random import Random
from typing import Any

from storm_calm.rl.rollout.agent_loop import StormAgentLoop


class StuckAgentLoop(StormAgentLoop):
    """Five per cent of the rollouts are stuck."""

    async def _run(self, sampling_params: dict[str, Any], row: dict[str, Any]) -> Any:
        if Random(f"{row['uid']}/{row['session_id']}").random() < 0.05:
            await asyncio.Event().wait()
        return await super()._run(sampling_params, row)
