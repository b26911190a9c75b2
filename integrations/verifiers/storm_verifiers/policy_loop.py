"""A rollout of the raw model: its calls of run_python run in STORM's sandbox, until the episode ends.

`SolverEnv` decides what runs, how often, and when the episode ends, as in STORM's own training and evaluation. This
module only carries messages between it and the model. Messages of the model are sent back as it wrote them, so that the
trace stays one branch and each turn extends the tokens of the turn before it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from time import perf_counter
from typing import Any

import openai
import verifiers.v1 as vf
from openai.types.chat import ChatCompletion
from openai.types.chat.chat_completion_chunk import ChoiceDelta

from storm_calm.agents.reasoners.chat_messages import HINT_MARKS, TOOLS, render, turns
from storm_calm.agents.reasoners.chat_stream import ChatStream
from storm_calm.agents.reasoners.context_errors import is_context_error
from storm_calm.agents.verdict.solver_backing import backed_by_report
from storm_calm.env import Problem, SolverEnv
from storm_calm.env.protocol import Inline
from storm_calm.env.reasoner import Encoding, Generation, Message, collect
from storm_calm.sandbox import Cancellation, Sandbox
from storm_verifiers.rollout_record import RolloutRecord

INLINE = Inline()


class ChatRenderer:
    """The renderer of prompts for chat endpoints, whose tokenizer is unknown here."""

    context = None
    hint_marks = HINT_MARKS

    def __init__(self, instructions: str) -> None:
        self.instructions = instructions

    def render(self, messages: Sequence[Message]) -> str:
        return render(messages)

    def encode(self, text: str) -> Encoding | None:
        return None

    encode_marked = encode


class PolicyLoop:
    """One rollout."""

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        model: str,
        sandbox: Sandbox,
        *,
        instructions: str,
        max_executions: int,
        max_tokens: int,
    ) -> None:
        self._client = client
        self._model = model
        self._cancellation = Cancellation()
        self._env = SolverEnv(
            sandbox,
            ChatRenderer(instructions),
            protocol=INLINE,
            max_executions=max_executions,
            max_tokens=max_tokens,
            cancellation=self._cancellation,
        )

    @property
    def begun(self) -> bool:
        """Whether the episode has started."""
        return self._env.begun

    async def run(self, problem: Problem) -> None:
        """Run the rollout to its end. Raises SandboxError if the sandbox fails, OpenAIError if the model does."""
        env = self._env
        await asyncio.to_thread(env.reset, problem)
        settled = turns(env.episode.transcript.text)
        pending: list[dict[str, Any]] = []
        while env.episode.stop is None:
            started = perf_counter()
            try:
                completion = await self._ask([*settled, *pending])
            except openai.APIStatusError as error:
                if not is_context_error(error.status_code, str(error)):
                    raise
                env.overflow(seconds=perf_counter() - started)
                return
            generation = self._generation(completion)
            result = await self._step(generation, perf_counter() - started)
            if result.stop == "infrastructure":
                raise vf.SandboxError(f"the sandbox failed: {result.observation}")
            if result.kind == "stop":
                return
            tail = turns(env.episode.transcript.text)[-2:]
            if result.kind == "continue":
                pending = tail
                continue
            written = completion.choices[0].message.model_dump(exclude_none=True)
            ran = result.execution is not None and result.execution.ran
            settled += _answered(written, tail[1]) if ran and not pending and _calls_once(written) else tail
            pending = []

    def record(self) -> RolloutRecord:
        """Return the record of the rollout. One that a limit of the run ended counts as too long."""
        episode = self._env.episode
        if episode.stop is None:
            episode = replace(episode, stop="length")
        return RolloutRecord(
            episode=episode,
            executions=sum(execution.ran for execution in episode.executions),
            solver_reports=sum(len(execution.reports) for execution in episode.executions),
            backed=backed_by_report(episode),
        )

    async def _ask(self, messages: Any) -> ChatCompletion:
        tools: Any = TOOLS
        return await self._client.chat.completions.create(model=self._model, messages=messages, tools=tools)

    def _generation(self, completion: ChatCompletion) -> Generation:
        """Return the model's message as text of the inline protocol. Raises ReasonerError for a refusal."""
        choice = completion.choices[0]
        message = choice.message.model_dump(exclude_none=True, exclude={"role", "annotations", "audio"})
        for index, call in enumerate(message.get("tool_calls", ())):
            call["index"] = index
        transcript = self._env.episode.transcript
        turn = transcript.text[transcript.turn(len(transcript.text))[0] :]
        stream = ChatStream(INLINE.stop, turn=turn, place=self._model)
        delta = ChoiceDelta.model_validate(message)
        # The chunks after the first with a finish are what the model wrote after its program.
        return collect(chain(stream.feed(delta), _finish(stream, choice.finish_reason or "stop")))

    async def _step(self, generation: Generation, seconds: float) -> Any:
        """Let the environment act, in a thread. If verifiers ends the rollout meanwhile, the program is killed."""
        try:
            return await asyncio.to_thread(self._env.step, generation, seconds=seconds)
        except asyncio.CancelledError:
            self._cancellation.cancel()
            raise


def _finish(stream: ChatStream, reason: str) -> Any:
    """Finish the stream when it is reached, not before."""
    yield from stream.finish(reason)


def _calls_once(message: dict[str, Any]) -> bool:
    """Return whether the message is one call of the tool, and its text has no program or output of its own."""
    content = message.get("content") or ""
    whole = INLINE.remove_output(content) == content
    return len(message.get("tool_calls", ())) == 1 and whole and not INLINE.read(content, ended=True).acts


def _answered(message: dict[str, Any], answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the model's message and the tool's answer to it."""
    return [message, {**answer, "tool_call_id": message["tool_calls"][0]["id"]}]
