"""Solve requests: one asyncio task per request, cancelled when the client disconnects.

    task = agent.start(request)
    async for events in task.events():
        ...
    task.cancel()

The solve loop runs in the task, not in the response. A response that ends early cancels it once, together with its
upstream request and its program.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from time import perf_counter
from typing import Any, Literal, NamedTuple, TypeVar

from storm_calm.agents.interveners.cancellable import CancellableIntervener
from storm_calm.agents.interveners.guard import Guard
from storm_calm.agents.reasoners.async_interface import AsyncReasoner
from storm_calm.agents.reasoners.nano_scope import out_of_scope
from storm_calm.env import (
    Episode,
    Generation,
    Intervention,
    Problem,
    ReasonerError,
    Sampling,
    SegmentRequest,
    SolverEnv,
    Transcript,
    solve_async,
)
from storm_calm.env.data_files import describe_files
from storm_calm.sandbox import Cancellation, Execution, RunCancelledError, Sandbox
from storm_calm.serving.api.agent_request import EFFORTS, AgentRequest
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.config import ServeConfig
from storm_calm.serving.api.judged_answer import JudgedAnswer, judge
from storm_calm.serving.api.metrics import Metrics
from storm_calm.serving.api.reasoning_split import THOUGHT
from storm_calm.serving.api.stored import Stored

log = logging.getLogger("storm")
T = TypeVar("T")

Failure = Literal["reasoner", "sandbox", "time", "context", "scope"]
"""Failures outside of the model: unreachable reasoner, no sandbox, timeout, prompt longer than the context, a question
that a nano model does not know."""


class TextEvent(NamedTuple):
    """Model text."""

    text: str


class ExecutionEvent(NamedTuple):
    """A program that ran."""

    execution: Execution
    output: str
    """The output block that the model sees."""


class HintEvent(NamedTuple):
    """An intervention of the guard: the text from the flaw on was withdrawn, and a hint is in its place."""

    intervention: Intervention
    thinking: bool
    """Whether the model continues inside its thoughts."""


class EndEvent(NamedTuple):
    """The model has finished; the examination of its plan follows."""


AgentEvent = TextEvent | ExecutionEvent | HintEvent | EndEvent


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenUsage:
    """Tokens of all segments. If the reasoner does not count them, one per 4 characters."""

    prompt: int
    """Tokens that the model read. Each segment counts the whole prefix again."""
    completion: int
    """Tokens that the model wrote."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentOutcome:
    """The result of a task."""

    episode: Episode
    usage: TokenUsage
    judged: JudgedAnswer | None = None
    """The verdict on the answer, and its plan; None before the end."""
    context: int | None = None
    """Context of the model in tokens; None if unknown."""
    failure: Failure | None = None
    """A failure outside of the model; its cause is in the log."""


class Agent:
    """The STORM agent, which solves many requests concurrently."""

    def __init__(
        self,
        reasoner: AsyncReasoner,
        sandbox: Sandbox,
        config: ServeConfig,
        metrics: Metrics,
        threads: Executor,
        guard: Guard | None = None,
        stored: Stored | None = None,
    ) -> None:
        """Set up the agent.

        threads: threads that wait for programs; more than the programs that run at once. guard: watches answers.
        stored: what a server keeps for its clients.
        """
        self.reasoner, self.sandbox, self.config, self.metrics = reasoner, sandbox, config, metrics
        self.threads, self.stored, self.guard = threads, stored, guard
        # One thread: more would compete with the event loop for the GIL without being faster.
        self.prompt_thread = ThreadPoolExecutor(1, thread_name_prefix="prompt")
        self.running: set[AgentTask] = set()
        self.writers: set[asyncio.Task[None]] = set()
        """Tasks that write answers in the background."""

    def start(self, request: AgentRequest) -> AgentTask:
        agent_task = AgentTask(self, request)
        self.running.add(agent_task)
        agent_task.task.add_done_callback(lambda _: self.running.discard(agent_task))
        return agent_task

    def write_in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that `stop` waits for."""
        writer = asyncio.create_task(work)
        self.writers.add(writer)
        writer.add_done_callback(self.writers.discard)
        return writer

    async def stop(self) -> None:
        """Cancel all tasks, and wait until they and the writers of their answers have ended."""
        tasks = list(self.running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*(task.task for task in tasks), return_exceptions=True)
        await asyncio.gather(*self.writers, return_exceptions=True)
        self.prompt_thread.shutdown(wait=False, cancel_futures=True)


class AgentTask:
    """The task that solves one request."""

    def __init__(self, agent: Agent, request: AgentRequest) -> None:
        self._final: AgentOutcome | None = None
        self._agent, self._request = agent, request
        self._began = perf_counter()
        self._first = True
        self._events: list[AgentEvent] = []
        self._wake = asyncio.Event()
        self._prompt = self._completion = self._streamed_tokens = 0
        self._cancellation = Cancellation()
        self._judged: JudgedAnswer | None = None
        self._guard = agent.guard
        self._intervener: CancellableIntervener | None = None
        if agent.guard is not None:
            # An LLM may take minutes, and a client that left does not wait for it.
            self._intervener = CancellableIntervener(agent.guard.intervener)
            self._guard = replace(agent.guard, intervener=self._intervener)
        self._env = self._environment()
        self.sampling = self._sampling()
        """The sampling parameters, without the seed."""
        self.task = asyncio.create_task(self._work())
        # Also called if the task is cancelled before it starts.
        self.task.add_done_callback(lambda _: self._wake.set())

    @property
    def guarded(self) -> bool:
        """Whether the guard may withdraw text."""
        return self._guard is not None

    async def events(self) -> AsyncIterator[list[AgentEvent]]:
        """Yield batches of queued events until the task ends, with consecutive text joined."""
        while self._events or not self.task.done():
            if self._events:
                yield self._batch()
                continue
            self._wake.clear()
            await self._wake.wait()

    async def started(self, seconds: float) -> bool:
        """Wait at most `seconds` for the first event or the end. Return whether the task has ended."""
        if not self._events and not self.task.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
        return self.task.done()

    def outcome(self) -> AgentOutcome:
        """Return the result; before the end, the result as if the model stopped now.

        Raises ApiError if the task was cancelled, and re-raises its unexpected errors.
        """
        if self.task.done():
            if self.task.cancelled():
                raise ApiError(503, "the answer was stopped because the server is shutting down", retry_after=5)
            self.task.result()
        return self._final or self._outcome(None)

    def cancel(self) -> None:
        """Cancel the task and its program. After the end this has no effect."""
        self.task.cancel()
        self._cancel_work()

    def _cancel_work(self) -> None:
        """Stop the program that runs and the inspection of the guard."""
        self._cancellation.cancel()
        if self._intervener is not None:
            self._intervener.cancel()

    def _batch(self) -> list[AgentEvent]:
        batch: list[AgentEvent] = []
        for _, group in groupby(self._events, type):
            events = list(group)
            texts = [event.text for event in events if isinstance(event, TextEvent)]
            batch += [TextEvent("".join(texts))] if texts else events
        self._events.clear()
        return batch

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
            record=True,
            keep_files=self._request.keep_files,
            cancellation=self._cancellation,
        )

    async def _work(self) -> None:
        agent = self._agent
        agent.metrics.running.inc()
        failure: Failure | None = None
        reason = ""
        try:
            async with asyncio.timeout(agent.config.request_seconds):
                episode = await self._solve()
            if episode.stop == "infrastructure":
                failure, reason = "sandbox", "the sandbox failed"
            elif episode.stop in ("length", "context") and all(
                span.source == "prompt" for span in episode.transcript.spans
            ):
                failure = "context"
            elif episode.stop is None:
                failure = "scope"
        except TimeoutError:
            failure, reason = "time", f"not finished after {agent.config.request_seconds:g} seconds"
        except ReasonerError as error:
            failure, reason = "reasoner", str(error)
        except RunCancelledError as error:  # The program was cancelled before the task was.
            raise asyncio.CancelledError from error
        finally:
            self._cancel_work()
            agent.metrics.running.dec()
            agent.metrics.answer.observe(perf_counter() - self._began)
        if reason:
            log.warning("an answer failed: %s", reason)
        self._final = self._outcome(failure)

    async def _solve(self) -> Episode:
        agent, request, env = self._agent, self._request, self._env
        # Describing large files takes seconds, so the description is there before the prompts' one thread needs it.
        await self._in_thread(partial(describe_files, request.files))
        # Rendering and encoding a long prompt would block the event loop.
        question = request.question
        problem = Problem(id="chat", question=question, answers=(), outputs=request.outputs)
        reset = partial(env.reset, problem, before=request.before)
        await asyncio.get_running_loop().run_in_executor(agent.prompt_thread, reset)
        declined = await self._in_thread(partial(out_of_scope, agent.reasoner, question))
        if env.episode.stop is None and declined is not None:
            return env.episode
        budget = self._budget()
        if budget is not None:
            env.max_tokens = min(env.max_tokens, env.episode.transcript.count() + budget)
        seed = secrets.randbits(31) if request.seed is None else request.seed
        watch = None if self._guard is None else partial(self._watch, self._guard)
        await solve_async(env, self._write, self._act, seed=seed, sampling=self.sampling, watch=watch)
        if env.episode.transcript.model_text:  # Otherwise it may have failed, and the client gets a status of its own.
            self._events.append(EndEvent())
            self._wake.set()
        self._judged = await self._in_thread(partial(judge, env.episode, agent.sandbox, request))
        return env.episode

    async def _write(self, segment: SegmentRequest) -> Generation:
        written = await self._agent.reasoner.write(**segment, on_text=self._on_text)
        self._completion += written.tokens
        self._prompt += written.prompt_tokens or self._env.episode.transcript.count()
        return written.generation

    async def _act(self) -> None:
        with self._agent.metrics.acting.track_inprogress():
            result = await self._in_thread(self._env.act)
        if result.execution is not None:
            self._agent.metrics.executions.labels(result.execution.status).inc()
            self._agent.metrics.solver_seconds.inc(result.execution.wall_seconds)
            self._events.append(ExecutionEvent(result.execution, result.observation))
            self._wake.set()

    async def _watch(self, guard: Guard) -> Intervention | None:
        intervention = await self._in_thread(partial(guard.intervene, self._env))
        if intervention is not None:
            self._agent.metrics.interventions.labels(intervention.finding.trigger).inc()
            spans = self._env.episode.transcript.spans
            thinking = not any(span.source == "model" and THOUGHT in span.text for span in spans)
            self._events.append(HintEvent(intervention, thinking))
            self._wake.set()
        return intervention

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._agent.threads, work)

    def _outcome(self, failure: Failure | None) -> AgentOutcome:
        usage = TokenUsage(prompt=self._prompt, completion=max(self._completion, self._streamed_tokens))
        if self._env.begun:
            episode = self._env.episode
        else:  # The task was cancelled before its prompt was ready.
            question = self._request.messages[-1]["content"]
            episode = Episode(problem=Problem(id="chat", question=question, answers=()), transcript=Transcript())
        context = self._agent.reasoner.context
        return AgentOutcome(episode=episode, usage=usage, judged=self._judged, context=context, failure=failure)

    def _budget(self) -> int | None:
        """Return the token limit of the answer; None for the rest of the context."""
        share = EFFORTS[self._request.effort][0]
        most = self._agent.config.max_tokens or self._agent.reasoner.context
        limits = [self._request.max_tokens, self._agent.config.max_tokens]
        if share < 1 and most:
            limits.append(max(1, round(most * share)))
        return min((limit for limit in limits if limit is not None), default=None)

    def _on_text(self, text: str, tokens: int) -> None:
        if self._first:
            self._first = False
            self._agent.metrics.first_token.observe(perf_counter() - self._began)
        self._agent.metrics.tokens.inc(tokens)
        self._streamed_tokens += tokens
        self._events.append(TextEvent(text))
        self._wake.set()
