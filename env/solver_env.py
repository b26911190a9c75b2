"""The environment: a model writes, its programs run, and it sees what they print.

    with open_sandbox() as sandbox:
        env = SolverEnv(sandbox, reasoner)
        env.reset(problem)
        while (result := env.step(reasoner.generate(...))).stop is None:
            ...

Curation, reinforcement learning, evaluation and serving all go through it. Its state is one immutable `Episode`;
`snapshot` hands it out and `restore` takes it back at any point, between `write` and `act` too.

Programs run on their own, or, with `sessions`, as the blocks of one session: then each sees what the earlier ones left,
as in a notebook, and a cut in the transcript takes the session back with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Literal

from storm_calm.env.episode import Episode, StopReason
from storm_calm.env.intervention import Finding, Intervention
from storm_calm.env.problem import Problem
from storm_calm.env.protocol import Inline, Protocol
from storm_calm.env.reasoner import Generation, Message, PromptRenderer
from storm_calm.env.special_tokens import harmless
from storm_calm.env.transcript import Source, Span, Transcript
from storm_calm.sandbox import (
    MAX_CODE_BYTES,
    Cancellation,
    Execution,
    Limits,
    Program,
    Sandbox,
    SandboxUnavailableError,
    Session,
)

DEFAULT_TOKENS = 16384
"""Tokens of a transcript where neither the caller nor the renderer says how many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """What came of a model's text."""

    kind: Literal["execute", "continue", "stop"]
    """"execute": a program ran, and the model sees its output; "continue": the model has to go on writing."""
    execution: Execution | None = None
    """The run, where one took place."""
    observation: str = ""
    """The text that was appended; with stop "infrastructure", what failed, which the model does not see."""
    stop: StopReason | None = None
    """Why the run is over; None unless `kind` is "stop"."""


class SolverEnv:
    """One run at a time; not for several threads. It never raises for what a model wrote."""

    def __init__(
        self,
        sandbox: Sandbox,
        renderer: PromptRenderer,
        *,
        protocol: Protocol | None = None,
        max_executions: int = 4,
        max_tokens: int | None = None,
        limits: Limits | None = None,
        sessions: bool = False,
        files: Mapping[str, bytes] | None = None,
        cancellation: Cancellation | None = None,
    ) -> None:
        """Set up for one reasoner; `reset` begins a run.

        sandbox: where programs run. Several environments may share it.
        renderer: how text is put to the model; a `Reasoner` is one.
        protocol: `Inline()` by default.
        max_executions: programs that may run in one episode (4 in arXiv 2510.04204).
        max_tokens: tokens of the whole transcript, prompt included; by default the renderer's context, or else 16384.
        limits: of each program, instead of the sandbox's own.
        sessions: whether the programs of an episode share their state. The environment is then to be closed after use.
        files: what lies in the folder of each program when it starts, by relative path, with `sessions` also where an
            earlier one changed it. The model does not hear of them from here: say it in the question.
        cancellation: what ends a run from outside; `act` and `step` then raise RunCancelledError, and the episode is
            what `write` left.
        Raises ValueError for values that no run can have.
        """
        if max_executions < 0:
            raise ValueError(f"max_executions is {max_executions!r}; give 0 or more")
        if max_tokens is not None and max_tokens < 1:
            raise ValueError(f"max_tokens is {max_tokens!r}; give at least 1")
        self.files = dict(files or {})
        if self.files:
            Program(code="", limits=limits or sandbox.limits, files=self.files)  # Raises for what can't be there.
        self.sandbox = sandbox
        self.renderer = renderer
        self.protocol: Protocol = protocol or Inline()
        self.max_executions = max_executions
        self.max_tokens = max_tokens or renderer.context or DEFAULT_TOKENS
        self.limits = limits
        self.sessions = sessions
        self.cancellation = cancellation
        self._episode: Episode | None = None
        self._session: Session | None = None
        self._seen: tuple[Execution, ...] = ()
        """What ran in the session, block for block."""

    @property
    def episode(self) -> Episode:
        """The run as it stands."""
        assert self._episode is not None, "reset() or restore() comes first"
        return self._episode

    @property
    def begun(self) -> bool:
        """Whether there is a run."""
        return self._episode is not None

    @property
    def remaining(self) -> int:
        """Tokens that the transcript may still grow by."""
        return max(0, self.max_tokens - self.episode.transcript.count())

    def reset(self, problem: Problem, before: Sequence[Message] = ()) -> Episode:
        """Begin a run. It is over at once, for "length", where the question takes up all the tokens.

        before: earlier turns of the conversation, which the model sees between its instructions and the question.
        Raises ValueError for one that is neither the user's nor the assistant's.
        """
        for number, message in enumerate(before):
            if message["role"] not in ("user", "assistant"):
                raise ValueError(f'before[{number}] has role {message["role"]!r}; give "user" or "assistant"')
        self._leave_session()
        *instructions, question = self.protocol.messages(problem.question, self.renderer.instructions)
        prompt = self.renderer.render([*instructions, *before, question])
        self._episode = Episode(problem=problem, transcript=Transcript(spans=(self._prompt(prompt),)))
        if not self.remaining:
            self._stop("length")
        return self.episode

    def snapshot(self) -> Episode:
        """The run as it stands, for `restore`, here or in another environment."""
        return self.episode

    def restore(self, episode: Episode) -> None:
        """Go on from a snapshot, before the next program also in the session: what that has not seen runs again."""
        self._episode = episode

    def write(self, generation: Generation | str, *, seconds: float = 0.0) -> None:
        """Append what the model wrote, as far as it is its own: up to its first program, or an output block it made up.

        A token that this cuts through goes, unless it closes the program: then it stays whole. A plain `str` is a whole
        turn unless it ends in a stop string.
        seconds: wall seconds that generation took, for `Usage`.
        """
        assert self.episode.stop is None, f"the run is over ({self.episode.stop}); reset, restore or intervene first"
        if isinstance(generation, str):
            generation = self._typed(generation)
        before = self.episode.transcript
        span = Span(
            source="model",
            text=generation.text,
            ids=generation.ids,
            ends=generation.ends,
            finish=generation.finish,
        )
        after = self._own(before.append(span))
        self._update(transcript=after, generation_seconds=self.episode.usage.generation_seconds + seconds)
        closed = len(after.spans) > len(before.spans) and generation.finish == "end"
        # Without this, a model that insists on a made-up output block would be asked the same thing for ever.
        if len(after.text) <= len(before.text) and not closed:
            self._stop("length" if generation.finish == "length" else "malformed")

    def act(self) -> StepResult:
        """Do what the model's text asks for: run its program, take its answer, let it go on, or stop."""
        episode = self.episode
        if episode.stop is not None:
            return StepResult(kind="stop", stop=episode.stop)
        transcript = episode.transcript
        action = self.protocol.read(transcript.text[transcript.turn(len(transcript.text))[0] :])
        if action.code is not None:
            return self._run(action.code)
        last = transcript.spans[-1]
        if last.finish == "end":
            return self._stop("answer" if self.protocol.read(transcript.model_text).kind == "answer" else "malformed")
        if last.finish == "length" or not self.remaining:
            return self._stop("length")
        return StepResult(kind="continue")

    def step(self, generation: Generation | str, *, seconds: float = 0.0) -> StepResult:
        """`write`, then `act`."""
        self.write(generation, seconds=seconds)
        return self.act()

    def intervene(self, finding: Finding, hint: str) -> Intervention:
        """Cut the transcript where the flaw begins and put `hint` there; the model goes on from it.

        The cut is at the finding's offset, or at the start of the code block that the offset lies in or whose output it
        lies in; then left to a token boundary. A hint that stands right there goes too. Executions after the cut are
        gone, and a run that was over is open again. The renderer's `hint_marks` stand around the hint.
        Raises ValueError for an offset outside what follows the prompt, and for an empty hint.
        """
        hint = harmless(hint.strip())
        if not hint:
            raise ValueError("the hint is empty")
        before = self.episode.transcript
        start, end = before.turn(finding.offset)
        block = self.protocol.read(before.text[start:end]).start
        kept = before.rewind(finding.offset if block is None else min(finding.offset, start + block))
        # A hint that the model did nothing with makes room for the new one; piled up, hints would outweigh the run.
        while kept.spans[-1].source == "hint":
            kept = Transcript(spans=kept.spans[:-1])
        cut = len(kept.text)
        opening, closing = self.renderer.hint_marks
        text = f"{opening}{hint}{closing}\n"
        if not kept.text[-1:].isspace():
            text = f"\n{text}"
        intervention = Intervention(finding=finding, hint=hint, cut=cut, removed=before.text[cut:])
        tools = sum(span.source == "tool" for span in kept.spans)
        self._update(
            transcript=kept.append(self._span("hint", text)),
            executions=self.episode.executions[:tools],
            interventions=(*self.episode.interventions, intervention),
            stop=None,
        )
        if not self.remaining:
            self._stop("length")
        return intervention

    def close(self) -> None:
        """Forget the run. The sandbox stays open: it is for whoever opened it to close."""
        self._leave_session()
        self._episode = None

    def _run(self, code: str) -> StepResult:
        episode = self.episode
        if len(episode.executions) >= self.max_executions:
            return self._stop("budget")
        if len(code.encode("utf-8", errors="surrogatepass")) > MAX_CODE_BYTES:
            return self._stop("malformed")
        started = perf_counter()
        try:
            execution = self._run_block(code) if self.sessions else self._run_alone(code)
        except SandboxUnavailableError as error:
            return replace(self._stop("infrastructure"), observation=str(error))
        seconds = episode.usage.execution_seconds + perf_counter() - started
        executions = (*episode.executions, execution)
        text = self.protocol.observation(execution, last=len(executions) >= self.max_executions)
        if not episode.transcript.text.endswith("\n"):
            text = f"\n{text}"
        transcript = episode.transcript.append(self._span("tool", text))
        self._update(transcript=transcript, executions=executions, execution_seconds=seconds)
        result = StepResult(kind="execute") if self.remaining else self._stop("length")
        return replace(result, execution=execution, observation=text)

    def _run_alone(self, code: str) -> Execution:
        return self.sandbox.run(code, limits=self.limits, files=self.files, cancellation=self.cancellation)

    def _run_block(self, code: str) -> Execution:
        """Run `code` in the episode's session, in the state that the episode's executions left.

        Raises SandboxUnavailableError where that state can't be had.
        """
        session = self._session = self._session or self.sandbox.session(limits=self.limits)
        executions = self.episode.executions
        known = 0
        while known < min(len(self._seen), len(executions)) and self._seen[known] == executions[known]:
            known += 1
        if known < len(self._seen):  # Elsewhere it waits for a place, which can't be cancelled.
            session.rewind(known)
        self._seen = self._seen[:known]
        for earlier in executions[known:]:
            # A failed one changed nothing; it only takes up its number.
            again = self._run_next(session, earlier.code if earlier.status == "ok" else "raise SystemExit(1)")
            self._seen = (*self._seen, earlier)
            if (again.status == "ok") != (earlier.status == "ok"):
                self._leave_session()
                raise SandboxUnavailableError(
                    f"program {len(self._seen)} of the episode did not run again as it had: {again.status} instead of "
                    f"{earlier.status}; go on in the environment that it comes from"
                )
        execution = self._run_next(session, code)
        self._seen = (*self._seen, execution)
        return execution

    def _run_next(self, session: Session, code: str) -> Execution:
        return session.run(code, files=self.files, cancellation=self.cancellation)

    def _leave_session(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session, self._seen = None, ()

    def _own(self, transcript: Transcript) -> Transcript:
        """`transcript` without what the model wrote after its program, or in place of the environment."""
        text = transcript.text
        start = transcript.turn(len(text))[0]
        own = self.protocol.remove_output(text[start:])
        action = self.protocol.read(own)
        if action.kind != "code":
            return transcript if start + len(own) == len(text) else transcript.rewind(start + len(own))
        # A turn that was closed right after the program is opened again: the output belongs inside it.
        cut = transcript.rewind(start + action.end)
        if self.protocol.read(cut.text[start:]).kind == "code":
            return cut
        return transcript.rewind(transcript.boundary(start + action.end))

    def _prompt(self, text: str) -> Span:
        ids, ends = self.renderer.encode_marked(text) or (None, None)
        return Span(source="prompt", text=text, ids=ids, ends=ends)

    def _span(self, source: Source, text: str) -> Span:
        ids, ends = self.renderer.encode(text) or (None, None)
        return Span(source=source, text=text, ids=ids, ends=ends)

    def _typed(self, text: str) -> Generation:
        ids, ends = self.renderer.encode_marked(text) or (None, None)
        stopped = text.endswith(self.protocol.stop)
        return Generation(text=text, ids=ids, ends=ends, finish="stop" if stopped else "end")

    def _stop(self, reason: StopReason) -> StepResult:
        self._update(stop=reason)
        return StepResult(kind="stop", stop=reason)

    def _update(self, **changes: Any) -> None:
        """Change the episode; token counts follow from its transcript."""
        episode = self.episode
        seconds = {name: changes.pop(name) for name in ("generation_seconds", "execution_seconds") if name in changes}
        transcript: Transcript = changes.get("transcript", episode.transcript)
        usage = replace(
            episode.usage,
            model_tokens=transcript.count("model"),
            tool_tokens=transcript.count("tool"),
            hint_tokens=transcript.count("hint"),
            **seconds,
        )
        self._episode = replace(episode, usage=usage, **changes)
