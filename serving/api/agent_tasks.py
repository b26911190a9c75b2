"""The agent at work: one asyncio task for each request, cancelled when its client disconnects.

    task = agent.start(request)
    async for events in task.events():
        ...
    task.cancel()

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
from storm_calm.serving.api.agent_request import EFFORTS, AgentRequest
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.config import ServeConfig
from storm_calm.serving.api.metrics import Metrics

log = logging.getLogger("storm")

KEEP_ALIVE = 10.0
"""Seconds of silence after which `AgentTask.events` gives an empty batch, so that a connection shows that it lives."""


Failure = Literal["reasoner", "sandbox", "time", "context"]
"""What can fail around the model: it can't be reached, no program can run, the time is over, the question is too
long for it."""


@dataclass(frozen=True, slots=True)
class TextEvent:
    """Text that the model wrote."""

    text: str


@dataclass(frozen=True, slots=True)
class ExecutionEvent:
    """A program that ran."""

    execution: Execution
    output: str
    """What the model sees of it."""


AgentEvent = TextEvent | ExecutionEvent
"""Something that happened in a task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenUsage:
    """Tokens, all segments together; where the reasoner counts none, an estimate of one for every 4 characters."""

    prompt: int
    """Tokens that the model read; what it reads again for a later segment counts again."""
    completion: int
    """Tokens that it wrote."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentOutcome:
    """How a task ended."""

    episode: Episode
    """What happened, as far as it went."""
    usage: TokenUsage
    """What it took."""
    context: int | None = None
    """Tokens that the model holds."""
    failure: Failure | None = None
    """What went wrong around the model, if anything did; the log says why."""


class Agent:
    """STORM with its parts, ready to work on many requests at once."""

    def __init__(
        self, reasoner: AsyncReasoner, sandbox: Sandbox, config: ServeConfig, metrics: Metrics, threads: Executor
    ) -> None:
        """threads: where programs are waited for, more of them than run at once."""
        self.reasoner, self.sandbox, self.config, self.metrics = reasoner, sandbox, config, metrics
        self.threads = threads
        # One thread: more would take turns with the event loop for Python's lock more often, and be no faster.
        self.prompt_thread = ThreadPoolExecutor(1, thread_name_prefix="prompt")
        self.running: set[AgentTask] = set()

    def start(self, request: AgentRequest) -> AgentTask:
        """Start to work on a request, on the running event loop."""
        agent_task = AgentTask(self, request)
        self.running.add(agent_task)
        agent_task.task.add_done_callback(lambda _: self.running.discard(agent_task))
        return agent_task

    async def stop(self) -> None:
        """Cancel all tasks, and wait for them to end."""
        tasks = list(self.running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*(task.task for task in tasks), return_exceptions=True)
        self.prompt_thread.shutdown(wait=False, cancel_futures=True)


class AgentTask:
    """One answer under way."""

    def __init__(self, agent: Agent, request: AgentRequest) -> None:
        self._ended: AgentOutcome | None = None
        self._agent, self._request = agent, request
        self._began = perf_counter()
        self._first = True
        self._events: deque[AgentEvent] = deque()
        self._wake = asyncio.Event()
        self._prompt = self._completion = self._streamed_tokens = 0
        self._cancellation = Cancellation()
        self._problem = Problem(id="chat", question=request.question, answers=())
        self._env = self._environment()
        self.sampling = self._sampling()
        """How tokens are drawn, but for the seed."""
        self._acting = False
        self.task = asyncio.create_task(self._work())
        # Also where it is cancelled before it begins.
        self.task.add_done_callback(lambda _: self._wake.set())

    async def events(self) -> AsyncIterator[list[AgentEvent]]:
        """Yield events up to the task's end; those that are waiting come together, text in one piece.

        An empty list means that nothing happened for `KEEP_ALIVE` seconds.
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

    async def started(self, seconds: float) -> bool:
        """Wait for the first event, the end, or so many seconds; return whether it has ended."""
        if not self._events and not self.task.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
        return self.task.done()

    def outcome(self) -> AgentOutcome:
        """Return how it ended, or, before its end, as if the model had stopped here.

        Raises ApiError if it was cancelled, and what it raised, if that was an error of ours.
        """
        if self.task.done():
            if self.task.cancelled():
                raise ApiError(503, "the answer was stopped, as the server is going down", retry_after=5)
            self.task.result()
        return self._ended or self._outcome(None)

    def cancel(self) -> None:
        """Stop the model and the program that runs. Does nothing after the end."""
        self.task.cancel()
        self._cancellation.cancel()

    def _taken(self) -> list[AgentEvent]:
        taken: list[AgentEvent] = []
        words: list[str] = []
        while self._events:
            event = self._events.popleft()
            if isinstance(event, TextEvent):
                words.append(event.text)
                continue
            if words:
                taken.append(TextEvent("".join(words)))
                words = []
            taken.append(event)
        if words:
            taken.append(TextEvent("".join(words)))
        return taken

    def _sampling(self) -> Sampling:
        sampling, request = self._agent.reasoner.sampling, self._request
        if request.temperature is not None:
            sampling = replace(sampling, temperature=request.temperature)
        return sampling if request.top_p is None else replace(sampling, top_p=request.top_p)

    def _environment(self) -> SolverEnv:
        agent, config = self._agent, self._agent.config
        executions = max(1, round(config.max_executions * EFFORTS[self._request.effort][1]))
        return SolverEnv(
            agent.sandbox,
            agent.reasoner,
            max_executions=executions,
            limits=replace(agent.sandbox.limits, seconds=config.solver_seconds),
            files=self._request.files,
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
            log.warning("an answer failed: %s", reason)
        self._ended = self._outcome(failure)

    async def _solve(self) -> Episode:
        agent, request, env = self._agent, self._request, self._env
        # Rendering and encoding a long prompt takes too long for an event loop.
        reset = partial(env.reset, self._problem, before=request.before)
        await asyncio.get_running_loop().run_in_executor(agent.prompt_thread, reset)
        budget = self._budget()
        if budget is not None:
            env.max_tokens = min(env.max_tokens, env.episode.transcript.count() + budget)
        seed = secrets.randbits(31) if request.seed is None else request.seed
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
            self._events.append(ExecutionEvent(result.execution, result.observation))
            self._wake.set()

    def _set_acting(self, acting: bool) -> None:
        if acting != self._acting:
            self._acting = acting
            self._agent.metrics.acting(acting)

    def _outcome(self, failure: Failure | None) -> AgentOutcome:
        usage = TokenUsage(prompt=self._prompt, completion=max(self._completion, self._streamed_tokens))
        # It may have been stopped while its prompt was being made.
        episode = self._env.episode if self._env.begun else Episode(problem=self._problem, transcript=Transcript())
        return AgentOutcome(episode=episode, usage=usage, context=self._agent.reasoner.context, failure=failure)

    def _budget(self) -> int | None:
        """Tokens that the answer may have; None for as many as the model holds."""
        share = EFFORTS[self._request.effort][0]
        most = self._agent.config.max_tokens or self._agent.reasoner.context
        limits = [self._request.max_tokens, self._agent.config.max_tokens]
        if share < 1 and most:
            limits.append(max(1, round(most * share)))
        return min((limit for limit in limits if limit is not None), default=None)

    def _on_text(self, text: str, tokens: int) -> None:
        if self._first:
            self._first = False
            self._agent.metrics.first_token(perf_counter() - self._began)
        self._agent.metrics.tokens(tokens)
        self._streamed_tokens += tokens
        self._events.append(TextEvent(text))
        self._wake.set()
