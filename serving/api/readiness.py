"""Whether a server is ready for requests: the model is up, programs run, the database answers, no shutdown.

checks = await Readiness(drain).checks(agent)      # {"running": True, "model": True, "sandbox": True, "database": True}
"""

import asyncio
import logging
from functools import partial
from time import monotonic

from storm_calm.sandbox import SandboxUnavailableError
from storm_calm.serving.api.agent_tasks import Agent
from storm_calm.serving.api.middleware import Drain

log = logging.getLogger("storm")

PROGRAM = "print(6 * 7)"
OUTPUT = "42\n"
PROGRAM_EVERY = 30.0
"""Seconds after which the program runs again."""
REPEAT_EVERY = 2.0
"""Seconds after which it runs again if it failed."""


class Readiness:
    """The checks of one server."""

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self._sandbox = SandboxCheck()

    async def checks(self, agent: Agent) -> dict[str, bool]:
        """Return the checks by name."""
        if self._drain.stopping:
            return {"running": False}
        # Only a server of a model has replicas; a model in this process is loaded before the first request.
        replicas = getattr(agent.reasoner, "replicas", None)
        checks = {"running": True, "model": replicas is None or any(replica.up for replica in replicas)}
        checks["sandbox"] = await self._sandbox.works(agent)
        if agent.stored is not None:
            checks["database"] = await agent.stored.ready()
        return checks


class SandboxCheck:
    """Runs a program from time to time.

    Under load the program waits behind others. So the last result holds until there is a new one.
    """

    def __init__(self) -> None:
        self._works = False
        self._next = 0.0
        self._running: asyncio.Task[None] | None = None

    async def works(self, agent: Agent) -> bool:
        """Return the result of the last program. The first call waits for it."""
        if self._running is None and monotonic() >= self._next:
            first = self._next == 0.0
            self._running = asyncio.create_task(self._run(agent))
            if first or not self._works:
                await asyncio.shield(self._running)
        return self._works

    async def _run(self, agent: Agent) -> None:
        works = False
        try:
            run = partial(agent.sandbox.run, PROGRAM)
            execution = await asyncio.get_running_loop().run_in_executor(agent.threads, run)
            works = execution.stdout == OUTPUT
        except (SandboxUnavailableError, RuntimeError) as error:  # RuntimeError: the threads are shut down.
            log.warning("not ready: no program can run (%s)", error)
        finally:
            self._works, self._running = works, None
            self._next = monotonic() + (PROGRAM_EVERY if works else REPEAT_EVERY)
