"""The solver environment: it runs the model's programs and appends their output to the transcript.

    with open_sandbox() as sandbox:
        env = SolverEnv(sandbox, reasoner)
        env.reset(problem)
        while (result := env.step(reasoner.generate(...))).stop is None:
            ...

Curation, reinforcement learning, evaluation and serving all use it. Its state is one immutable `Episode`, which
`snapshot` returns and `restore` replaces at any point, also between `write` and `act`.

Each program runs alone or, with `sessions`, as a block of one session: it sees the state of earlier blocks, as in a
notebook, and a cut in the transcript rewinds the session.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Literal

from storm_calm.env.answers import read_answer
from storm_calm.env.checkers import check_outputs
from storm_calm.env.data_files import describe_files
from storm_calm.env.displayed_formula import before_formula
from storm_calm.env.episode import Episode, StopReason
from storm_calm.env.intervention import Finding, Intervention
from storm_calm.env.plain_errors import without_help
from storm_calm.env.problem import STANDARD_OUTPUT, Problem
from storm_calm.env.protocol import PROTOCOLS, Action, Inline, Protocol
from storm_calm.env.reasoner import Generation, Message, PromptRenderer
from storm_calm.env.repetition import ends_in_loop
from storm_calm.env.special_tokens import harmless
from storm_calm.env.token_estimate import estimate_tokens
from storm_calm.env.transcript import Source, Span, Transcript
from storm_calm.env.workspace import full_question, named_files, program_limits, workspace_files
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
"""Maximum tokens of a transcript if neither the caller nor the renderer sets one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """The result of a model's text."""

    kind: Literal["execute", "continue", "stop"]
    """"execute": a program ran, or a malformed call was answered; "continue": the model must continue its text;
    "stop": the episode ended."""
    execution: Execution | None = None
    """The execution, if a program ran or a call was malformed."""
    observation: str = ""
    """The appended text; with stop "infrastructure", the sandbox's error, which the model does not see."""
    stop: StopReason | None = None
    """Why the episode ended; None unless `kind` is "stop"."""


class SolverEnv:
    """An environment for one episode at a time. It never raises for a model's text, and is not thread-safe."""

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
        record: bool = False,
        keep_files: bool = False,
        files: Mapping[str, bytes] | None = None,
        cancellation: Cancellation | None = None,
    ) -> None:
        """Set up the environment for one reasoner; `reset` starts an episode.

        sandbox: runs the programs. Several environments may share it.
        renderer: renders prompts for the model, usually the `Reasoner` itself.
        protocol: by default that of the renderer's `prompt_format`, or else `Inline()`.
        max_executions: programs per episode (4 in arXiv 2510.04204).
        max_tokens: tokens of the whole transcript with its prompt; by default the renderer's context, or else 16384.
            Text without token ids is counted with the renderer's tokenizer, or else by an estimate that is rather too
            high (`env.token_estimate`).
        limits: limits of each program, instead of the sandbox's own. Those of the problem come first.
        sessions: whether the programs of an episode share their state. Close the environment after use.
        record: record the solves of the programs (`sandbox.Execution.solve_records`), for `env.plans` to check.
        keep_files: return also the files that a program names and writes (`sandbox.Execution.files`).
        files: files in each program's folder at its start, by relative path, beside those of the problem. With
            `sessions` they replace versions that earlier blocks changed. Mention them in the question: the environment
            describes only those of the problem.
        cancellation: ends a program from outside. `act` and `step` then raise RunCancelledError, and the episode keeps
            its state from `write`.
        Raises ValueError for invalid values.
        """
        if max_executions < 0:
            raise ValueError(f"max_executions is {max_executions!r}; give 0 or more")
        if max_tokens is not None and max_tokens < 1:
            raise ValueError(f"max_tokens is {max_tokens!r}; give at least 1")
        self.files = dict(files or {})
        if self.files:
            Program(code="", limits=limits or sandbox.limits, files=self.files)  # Raises for invalid ones.
        self.sandbox = sandbox
        self.renderer = renderer
        prompt_format = getattr(renderer, "prompt_format", None)
        self.protocol: Protocol = protocol or (PROTOCOLS[prompt_format.protocol] if prompt_format else Inline())
        self.max_executions = max_executions
        self.max_tokens = max_tokens or renderer.context or DEFAULT_TOKENS
        self.limits = limits or sandbox.limits
        self.sessions = sessions
        self.record = record
        self.keep_files = keep_files
        self.cancellation = cancellation
        self._episode: Episode | None = None
        self._session: Session | None = None
        self._counted: dict[str, int] = {}
        """The tokens of the episode's spans without ids."""
        self._seen: tuple[Execution, ...] = ()
        """The executions of the session's blocks."""

    @property
    def episode(self) -> Episode:
        """The current episode."""
        assert self._episode is not None, "call reset() or restore() first"
        return self._episode

    @property
    def begun(self) -> bool:
        """Whether an episode has started."""
        return self._episode is not None

    @property
    def remaining(self) -> int:
        """Tokens left for the transcript."""
        return max(0, self.max_tokens - self.episode.transcript.count(count_text=self._count_text))

    def reset(self, problem: Problem, before: Sequence[Message] = ()) -> Episode:
        """Start an episode. It ends at once, with "length", if the prompt uses all tokens.

        before: earlier turns of the conversation, placed between the instructions and the question.
        Raises ValueError for a message whose role is not "user" or "assistant", and for files of the problem that are
        missing or changed.
        """
        for number, message in enumerate(before):
            if message["role"] not in ("user", "assistant"):
                raise ValueError(f'before[{number}] has role {message["role"]!r}; give "user" or "assistant"')
        self._leave_session()
        self._counted.clear()
        if self.files:
            problem = replace(problem, data_description="\n\n".join(describe_files(self.files)))
        *instructions, question = self.protocol.messages(full_question(problem), self.renderer.instructions)
        prompt = self.renderer.render([*instructions, *before, question])
        self._episode = Episode(problem=problem, transcript=Transcript(spans=(self._span("prompt", prompt),)))
        if not self.remaining:
            self._stop("length")
        return self.episode

    def snapshot(self) -> Episode:
        """Return the current episode for `restore`, in this or another environment."""
        return self.episode

    def restore(self, episode: Episode) -> None:
        """Continue from a snapshot. Before its next program, a session reruns the programs it has not seen."""
        self._episode = episode

    def write(self, generation: Generation | str, *, seconds: float = 0.0) -> None:
        """Append the model's text up to the end of its first program or the first output block it wrote itself.

        A token across that cut is removed, unless it closes the program. A `str` is a whole turn unless it ends in a
        stop string.
        seconds: wall seconds of generation, for `Usage`.
        """
        assert self.episode.stop is None, f"the episode ended ({self.episode.stop}); reset, restore or intervene first"
        if isinstance(generation, str):
            generation = self._typed(generation)
        before = self.episode.transcript
        span = Span(
            source="model", text=generation.text, ids=generation.ids, ends=generation.ends, finish=generation.finish
        )
        after, acts = self._own(before.append(span))
        self._update(transcript=after, generation_seconds=self.episode.usage.generation_seconds + seconds)
        closed = len(after.spans) > len(before.spans) and generation.finish == "end"
        # Otherwise a model that always starts with its own output block would repeat this step without limit.
        if len(after.text) <= len(before.text) and not closed and not acts:
            self._stop("length" if generation.finish == "length" else "malformed")

    def replay(self, span: Span) -> None:
        """Append what `write` appended to the same transcript in another episode.

        The episode may come from a client, so text that `write` would remove is removed here, too.
        Raises ValueError for a span that is not the model's.
        """
        if span.source != "model":
            raise ValueError(f"a span of source {span.source!r}; only the model's text can be replayed")
        after, _ = self._own(self.episode.transcript.append(span))
        self._update(transcript=after)

    def overflow(self, *, seconds: float = 0.0) -> None:
        """Stop with "context": the server found the prompt too long. seconds: wall seconds of the request."""
        self._update(generation_seconds=self.episode.usage.generation_seconds + seconds)
        self._stop("context")

    def act(self) -> StepResult:
        """Run the program in the model's text, accept its answer, let it continue, or stop.

        A malformed call is answered with its error, and counts as an execution of status "malformed_call".
        """
        episode = self.episode
        if episode.stop is not None:
            return StepResult(kind="stop", stop=episode.stop)
        transcript = episode.transcript
        last = transcript.spans[-1]
        turn = transcript.text[transcript.turn(len(transcript.text))[0] :]
        # A model's span without a finish was cut, after its program or before an output block it wrote itself.
        action = self.protocol.read(turn, ended=last.source == "model" and last.finish in ("end", None))
        if action.acts:
            return self._run(action, turn)
        if last.finish == "end":
            answered = self.protocol.read(transcript.model_text).kind == "answer"
            return self._accept() if answered else self._stop("malformed")
        # A loop may also take many segments: each of them ends at a fence of the repeated text.
        if last.finish == "repetition" or ends_in_loop(turn):
            return self._stop("repetition")
        if last.finish == "length" or not self.remaining:
            return self._stop("length")
        return StepResult(kind="continue")

    def step(self, generation: Generation | str, *, seconds: float = 0.0) -> StepResult:
        """Call `write`, then `act`."""
        self.write(generation, seconds=seconds)
        return self.act()

    def intervene(self, finding: Finding, hint: str) -> Intervention:
        """Cut the transcript at the flaw and insert `hint`, from which the model continues.

        The cut is at the finding's offset or, if that is inside a code block or its output, at the start of the block,
        or inside a displayed formula, at the line before it; then moved left to a token boundary. A hint right before
        the cut is removed too. Executions after the cut are removed, and an ended episode is reopened. The renderer's
        `hint_marks` enclose the hint.
        Raises ValueError for an offset in the prompt or after the text, and for an empty hint.
        """
        hint = harmless(hint.strip())
        if not hint:
            raise ValueError("the hint is empty; give a sentence")
        before = self.episode.transcript
        start, end = before.turn(finding.offset)
        block = self.protocol.read(before.text[start:end]).start
        place = start + before_formula(before.text[start:end], finding.offset - start)
        kept = before.rewind(place if block is None else min(place, start + block))
        # A new hint replaces an unused one: repeated hints would outweigh the model's own text.
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
            output_check=None,
        )
        if not self.remaining:
            self._stop("length")
        return intervention

    def close(self) -> None:
        """Close the session and drop the episode. The sandbox stays open for its owner to close."""
        self._leave_session()
        self._episode = None

    def _run(self, action: Action, turn: str) -> StepResult:
        episode = self.episode
        if len(episode.executions) >= self.max_executions:
            return self._stop("budget")
        code = turn[action.start : action.end].strip() if action.code is None else action.code
        if len(code.encode("utf-8", errors="surrogatepass")) > MAX_CODE_BYTES:
            return self._stop("malformed")
        if [(one.code, one.status == "ok") for one in episode.executions[-2:]] == [(code, False)] * 2:
            return self._stop("repetition")
        started = perf_counter()
        try:
            if action.code is None:
                execution = self._malformed(code, action.error)
            else:
                execution = self._run_block(code) if self.sessions else self._run_alone(code)
        except SandboxUnavailableError as error:
            return replace(self._stop("infrastructure"), observation=str(error))
        seconds = episode.usage.execution_seconds + perf_counter() - started
        executions = (*episode.executions, execution)
        # Models without instructions were trained on the protocol.
        seen = without_help(execution) if self.renderer.instructions == "" else execution
        text = self.protocol.observation(seen, last=len(executions) >= self.max_executions)
        if not episode.transcript.text.endswith("\n"):
            text = f"\n{text}"
        transcript = episode.transcript.append(self._span("tool", text))
        self._update(transcript=transcript, executions=executions, execution_seconds=seconds)
        result = StepResult(kind="execute") if self.remaining else self._stop("length")
        return replace(result, execution=execution, observation=text)

    def _accept(self) -> StepResult:
        """Stop with "answer", after checking the outputs. An answer such as "infeasible" needs no outputs."""
        episode = self.episode
        answer = read_answer(episode.transcript)
        if episode.problem.outputs and (answer is None or answer.status == "number"):
            try:
                check = check_outputs(episode.problem, episode.executions, self.sandbox)
            except SandboxUnavailableError as error:
                return replace(self._stop("infrastructure"), observation=str(error))
            self._update(output_check=check)
        return self._stop("answer")

    def _malformed(self, call: str, error: str) -> Execution:
        return Execution(
            code=call, status="malformed_call", stderr=error, isolation=self.sandbox.isolation, backend="none"
        )

    def _run_alone(self, code: str) -> Execution:
        return self._run_in(self.sandbox, code)

    def _run_in(self, runner: Sandbox | Session, code: str) -> Execution:
        problem = self.episode.problem
        files = {**workspace_files(problem), **self.files}
        results = [output.path for output in problem.outputs if output.path != STANDARD_OUTPUT]
        if self.keep_files:
            results += [name for name in named_files(code) if name not in files and name not in results]
        return runner.run(
            code,
            limits=program_limits(problem, self.limits),
            files=files,
            results=results,
            record=self.record,
            cancellation=self.cancellation,
        )

    def _run_block(self, code: str) -> Execution:
        """Run `code` in the session. Raises SandboxUnavailableError if the episode's state cannot be restored."""
        limits = program_limits(self.episode.problem, self.limits)
        session = self._session = self._session or self.sandbox.session(limits=limits)
        executions = tuple(one for one in self.episode.executions if one.ran)
        known = 0
        while known < min(len(self._seen), len(executions)) and self._seen[known] == executions[known]:
            known += 1
        if known < len(self._seen):  # On some backends a rewind waits for a slot and cannot be cancelled.
            session.rewind(known)
        self._seen = self._seen[:known]
        for earlier in executions[known:]:
            # A failed program changed nothing, but its block number counts.
            rerun = self._run_in(session, earlier.code if earlier.status == "ok" else "raise SystemExit(1)")
            self._seen = (*self._seen, earlier)
            if (rerun.status == "ok") != (earlier.status == "ok"):
                self._leave_session()
                raise SandboxUnavailableError(
                    f"program {len(self._seen)} of the episode was rerun with status {rerun.status} instead of "
                    f"{earlier.status}; continue in the environment that created the episode"
                )
        execution = self._run_in(session, code)
        self._seen = (*self._seen, execution)
        return execution

    def _leave_session(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session, self._seen = None, ()

    def _own(self, transcript: Transcript) -> tuple[Transcript, bool]:
        """Remove the model's text after its first program or call, or from an output block it wrote itself.

        Returns the transcript, and whether it has a program or call to act on.
        """
        text = transcript.text
        start = transcript.turn(len(text))[0]
        own = self.protocol.remove_output(text[start:])
        whole = start + len(own) == len(text)
        ended = False
        action = self.protocol.read(own)
        if not action.acts and (not whole or transcript.spans[-1].finish == "end"):
            ended = True
            action = self.protocol.read(own, ended=True)
        if not action.acts:
            return (transcript if whole else transcript.rewind(start + len(own))), False
        # A turn closed right after the program is reopened: the output belongs inside it.
        cut = transcript.rewind(start + action.end)
        kept = self.protocol.read(cut.text[start:], ended=ended)
        if (kept.kind, kept.code) != (action.kind, action.code):
            cut = transcript.rewind(transcript.boundary(start + action.end))
        if ended:
            # `act` reads to the end of the turn if the last span has no finish.
            cut = Transcript(spans=(*cut.spans[:-1], replace(cut.spans[-1], finish=None)))
        return cut, True

    def _span(self, source: Source, text: str) -> Span:
        encode = self.renderer.encode_marked if source == "prompt" else self.renderer.encode
        ids, ends = encode(text) or (None, None)
        return Span(source=source, text=text, ids=ids, ends=ends)

    def _count_text(self, text: str) -> int:
        """Count the tokens of a span without ids: with the renderer's tokenizer, or else by an estimate."""
        if text not in self._counted:
            encoding = self.renderer.encode_marked(text)
            self._counted[text] = estimate_tokens(text) if encoding is None else len(encoding[0])
        return self._counted[text]

    def _typed(self, text: str) -> Generation:
        ids, ends = self.renderer.encode_marked(text) or (None, None)
        stopped = text.endswith(self.protocol.stop)
        return Generation(text=text, ids=ids, ends=ends, finish="stop" if stopped else "end")

    def _stop(self, reason: StopReason) -> StepResult:
        self._update(stop=reason)
        return StepResult(kind="stop", stop=reason)

    def _update(self, **changes: Any) -> None:
        """Replace fields of the episode and recount its tokens."""
        episode = self.episode
        seconds = {name: changes.pop(name) for name in ("generation_seconds", "execution_seconds") if name in changes}
        transcript: Transcript = changes.get("transcript", episode.transcript)
        usage = replace(
            episode.usage,
            model_tokens=transcript.count("model", count_text=self._count_text),
            tool_tokens=transcript.count("tool", count_text=self._count_text),
            hint_tokens=transcript.count("hint", count_text=self._count_text),
            **seconds,
        )
        self._episode = replace(episode, usage=usage, **changes)
