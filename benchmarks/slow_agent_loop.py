"""An agent loop in which a share of the programs takes two seconds more, without using the processor."""

import asyncio
from random import Random
from typing import Any

from storm_calm.env import SolverEnv
from storm_calm.rl.rollout.agent_loop import StormAgentLoop

SECONDS = 2.0


class SlowAgentLoop(StormAgentLoop):
    """Chooses slow programs by their text, so that they are the same ones in every mode."""

    def __init__(self, *arguments: Any, share: float, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.share = share

    async def _act(self, env: SolverEnv) -> None:
        if Random(env.episode.transcript.text).random() < self.share:
            await asyncio.sleep(SECONDS)
        await super()._act(env)
