"""Runs of the agent, each a task of its own: started by a request, read by it, and stopped when nobody reads any more.

    run = agent.start(ask)
    async for events in run.events():
        ...
    run.cancel()

The solve loop runs in the task and never in the response: a response that ends early then can't leave it half alive,
and it is cancelled once, with its upstream request and its program.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Literal

from storm_calm.agents.reasoners.async_interface import AsyncReasoner
from storm_calm.env import (
    Episode,
    Generation,
    Problem,
    ReasonerError,
    Sampling,
    SegmentRequest,
    SolverEnv,
    Transcript,
    solve_async,
)
from storm_calm.sandbox import Cancellation, Execution, RunCancelledError, Sandbox
from storm_calm.serving.api.agent_request import EFFORTS, Ask
from storm_calm.serving.api.config import ServeConfig
from storm_calm.serving.api.errors import ApiError
from storm_calm.serving.api.metrics import Metrics

log = logging.getLogger("storm")

KEEP_ALIVE = 10.0
"""Seconds of silence after which `Run.events` gives an empty batch, so that a connection shows that it lives."""


Failure = Literal["reasoner", "sandbox", "time", "context"]
"""What can go wrong around the model: it can't be reached, no program can run, the time is over, the question is too
long for it."""


@dataclass(frozen=True, slots=True)
class Text:
    """The model wrote."""

    text: str


@dataclass(frozen=True, slots=True)
class Ran:
    """A program ran."""

    execution: Execution
    output: str
    """What the model sees of it."""


Event = Text | Ran
"""Something that happened in a run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Tokens, all segments together; where the reasoner counts none, an estimate of one for every 4 characters."""

    prompt: int
    """Tokens that the model read; what it reads again for a later segment counts again."""
    completion: int
    """Tokens that it wrote."""


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """How a run ended."""

    episode: Episode
    """What happened, as far as it went."""
    usage: Usage
    """What it took."""
    context: int | None = None
    """Tokens that the model holds."""
    failure: Failure | None = None
    """What went wrong around the model, if anything did; the log says why."""


class Agent:
    """STORM with its parts, ready to work on many asks at once."""

    def __init__(
        self, reasoner: AsyncReasoner, sandbox: Sandbox, config: ServeConfig, metrics: Metrics, threads: Executor
    ) -> None:
        """threads: where programs are waited for, more of them than run at once."""
        self.reasoner, self.sandbox, self.config, self.metrics = reasoner, sandbox, config, metrics
        self.threads = threads
        # One thread: more would take turns with the event loop for Python's lock more often, and be no faster.
        self.preparing = ThreadPoolExecutor(1, thread_name_prefix="prompt")
        self.running: set[Run] = set()

    def start(self, ask: Ask) -> Run:
        """Begin to work on it, on the running event loop."""
        run = Run(self, ask)
        self.running.add(run)
        run.task.add_done_callback(lambda _: self.running.discard(run))
        return run

    async def stop(self) -> None:
        """Cancel all that is under way, and wait for it to end."""
        runs = list(self.running)
        for run in runs:
            run.cancel()
        await asyncio.gather(*(run.task for run in runs), return_exceptions=True)
        self.preparing.shutdown(wait=False, cancel_futures=True)


class Run:
    """One answer being worked out."""

    def __init__(self, agent: Agent, ask: Ask) -> None:
        self.end: End | None = None
        """How it ended; None while it goes on, and where it was cancelled."""
        self._agent, self._ask = agent, ask
        self._began = perf_counter()
        self._first = True
        self._events: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._prompt = self._completion = self._told_tokens = 0
        self._cancellation = Cancellation()
        self._problem = Problem(id="chat", question=ask.question, answers=())
        self._env = self._environment()
        self.sampling = self._sampling()
        """How tokens are drawn, but for the seed."""
        self._acting = False
        self.task = asyncio.create_task(self._work())
        # Also where it is cancelled before it begins.
        self.task.add_done_callback(lambda _: self._wake.set())

    async def events(self) -> AsyncIterator[list[Event]]:
        """What happens, to the run's end; what came meanwhile comes together, text in one piece.

        An empty list says that nothing happened for `KEEP_ALIVE` seconds.
        """
        while self._events or not self.task.done():
            if self._events:
                yield self._taken()
                continue
            self._wake.clear()
            try:
                async with asyncio.timeout(KEEP_ALIVE):
                    await self._wake.wait()
            except TimeoutError:
                yield []

    async def begun(self, seconds: float) -> bool:
        """Wait for the first event, the end, or so many seconds; whether it is over."""
        if not self._events and not self.task.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
        return self.task.done()

    def ended(self) -> End:
        """How it ended, or, where it goes on, as if the model had stopped here.

        Raises ApiError where it was cancelled, and what it raised, if that was an error of ours.
        """
        if self.task.done():
            if self.task.cancelled():
                raise ApiError(503, "the answer was stopped, as the server is going down", retry_after=5)
            self.task.result()
        return self.end or self._as_it_stands(None)

    def cancel(self) -> None:
        """Stop it: the model, and the program that runs. Where it has ended, nothing happens."""
        self.task.cancel()
        self._cancellation.cancel()

    def _taken(self) -> list[Event]:
        taken: list[Event] = []
        words: list[str] = []
        while self._events:
            event = self._events.popleft()
            if isinstance(event, Text):
                words.append(event.text)
                continue
            if words:
                taken.append(Text("".join(words)))
                words = []
            taken.append(event)
        if words:
            taken.append(Text("".join(words)))
        return taken

    def _sampling(self) -> Sampling:
        sampling, ask = self._agent.reasoner.sampling, self._ask
        if ask.temperature is not None:
            sampling = replace(sampling, temperature=ask.temperature)
        return sampling if ask.top_p is None else replace(sampling, top_p=ask.top_p)

    def _environment(self) -> SolverEnv:
        agent, config = self._agent, self._agent.config
        executions = max(1, round(config.max_executions * EFFORTS[self._ask.effort][1]))
        return SolverEnv(
            agent.sandbox,
            agent.reasoner,
            max_executions=executions,
            limits=replace(agent.sandbox.limits, seconds=config.solver_seconds),
            files=self._ask.files,
            cancellation=self._cancellation,
        )

    async def _work(self) -> None:
        agent = self._agent
        agent.metrics.began()
        failure: Failure | None = None
        reason = ""
        try:
            async with asyncio.timeout(agent.config.request_seconds):
                episode = await self._solve()
            if episode.stop == "infrastructure":
                failure, reason = "sandbox", "the sandbox failed"
            elif episode.stop == "length" and all(span.source == "prompt" for span in episode.transcript.spans):
                failure = "context"
        except TimeoutError:
            failure, reason = "time", f"not finished after {agent.config.request_seconds:g} seconds"
        except ReasonerError as error:
            failure, reason = "reasoner", str(error)
        except RunCancelledError as error:  # The cancellation of a program overtook that of the task.
            raise asyncio.CancelledError from error
        finally:
            self._cancellation.cancel()
            self._set_acting(False)
            agent.metrics.ended(perf_counter() - self._began)
        if reason:
            log.warning("a run failed: %s", reason)
        self.end = self._as_it_stands(failure)

    async def _solve(self) -> Episode:
        agent, ask, env = self._agent, self._ask, self._env
        # Rendering and encoding a long prompt takes too long for an event loop.
        reset = partial(env.reset, self._problem, before=ask.before)
        await asyncio.get_running_loop().run_in_executor(agent.preparing, reset)
        budget = self._budget()
        if budget is not None:
            env.max_tokens = min(env.max_tokens, env.episode.transcript.count() + budget)
        seed = secrets.randbits(31) if ask.seed is None else ask.seed
        return await solve_async(env, self._write, self._act, seed=seed, sampling=self.sampling)

    async def _write(self, segment: SegmentRequest) -> Generation:
        written = await self._agent.reasoner.write(**segment, on_text=self._on_text)
        self._completion += written.tokens
        self._prompt += written.prompt_tokens or self._env.episode.transcript.count()
        return written.generation

    async def _act(self) -> None:
        self._set_acting(True)
        result = await asyncio.get_running_loop().run_in_executor(self._agent.threads, self._env.act)
        self._set_acting(False)
        if result.execution is not None:
            self._agent.metrics.ran(result.execution)
            self._events.append(Ran(result.execution, result.observation))
            self._wake.set()

    def _set_acting(self, acting: bool) -> None:
        if acting != self._acting:
            self._acting = acting
            self._agent.metrics.acting(acting)

    def _as_it_stands(self, failure: Failure | None) -> End:
        usage = Usage(prompt=self._prompt, completion=max(self._completion, self._told_tokens))
        # It may have been stopped while its prompt was being made.
        episode = self._env.episode if self._env.begun else Episode(problem=self._problem, transcript=Transcript())
        return End(episode=episode, usage=usage, context=self._agent.reasoner.context, failure=failure)

    def _budget(self) -> int | None:
        """Tokens that the answer may have; None for as many as the model holds."""
        share = EFFORTS[self._ask.effort][0]
        most = self._agent.config.max_tokens or self._agent.reasoner.context
        limits = [self._ask.max_tokens, self._agent.config.max_tokens]
        if share < 1 and most:
            limits.append(max(1, round(most * share)))
        return min((limit for limit in limits if limit is not None), default=None)

    def _on_text(self, text: str, tokens: int) -> None:
        if self._first:
            self._first = False
            self._agent.metrics.first_token(perf_counter() - self._began)
        self._agent.metrics.tokens(tokens)
        self._told_tokens += tokens
        self._events.append(Text(text))
        self._wake.set()
