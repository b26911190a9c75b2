"""The agent for `ask`: opened at the first question, since most clients only run programs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import Executor

from storm_calm.agents.reasoners.async_reasoners import open_async
from storm_calm.agents.reasoners.model_folder import given_prompt_format
from storm_calm.agents.runs.reasoner_options import given_limits
from storm_calm.sandbox import Sandbox
from storm_calm.serving.api.agent_tasks import Agent
from storm_calm.serving.api.config import ServeConfig
from storm_calm.serving.api.metrics import Metrics


class AgentService:
    """The agent of the server. Its reasoner is opened and closed in one task, as asynchronous contexts need it."""

    def __init__(self, config: ServeConfig, sandbox: Sandbox, threads: Executor) -> None:
        self._config, self._sandbox, self._threads = config, sandbox, threads
        self._lock = asyncio.Lock()
        self._opened: asyncio.Future[Agent] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    @property
    def is_nano(self) -> bool:
        """Whether only questions of the problem families can be asked."""
        return self._config.reasoner == ("nano",)

    async def agent(self) -> Agent:
        """Return the agent. Raises ReasonerError and ValueError as `open_async` does."""
        async with self._lock:
            if self._opened is None or (self._opened.done() and self._opened.exception() is not None):
                self._opened = asyncio.get_running_loop().create_future()
                self._task = asyncio.create_task(self._keep_open(self._opened))
        return await asyncio.shield(self._opened)

    async def close(self) -> None:
        """Stop all answers, and close the reasoner."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=10)

    async def _keep_open(self, opened: "asyncio.Future[Agent]") -> None:
        try:
            async with self._open() as agent:
                opened.set_result(agent)
                await self._stop.wait()
        except Exception as error:
            if opened.done():
                raise
            opened.set_exception(error)

    @contextlib.asynccontextmanager
    async def _open(self) -> AsyncIterator[Agent]:
        config = self._config
        given = given_prompt_format(config.prompt_format) if config.prompt_format else None
        with contextlib.ExitStack() as guards:
            async with open_async(
                config.reasoner,
                model=config.model,
                tokenizer=config.tokenizer,
                prompt_format=given,
                limits=given_limits(config.rpm, config.tpm),
            ) as reasoner:
                # In a thread: an LLM intervener asks its endpoint for the models.
                guard = await asyncio.to_thread(guards.enter_context, config.open_guard(reasoner))
                agent = Agent(reasoner, self._sandbox, config, Metrics(), self._threads, guard)
                try:
                    yield agent
                finally:
                    await agent.stop()
