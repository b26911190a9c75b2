"""Labelled traces: finished trajectories with the trigger and place of their first flaw, as a person found it.

    with open_sandbox() as sandbox:
        for trace in read_traces("tests/data/traces", sandbox):
            print(trace.id, trace.trigger, trace.why)

A trace is a Markdown file named after its id:

    ---
    id: bakery-oven-hours
    trigger: manual_computation
    quote: 12 times 45 is 540
    why: Two products of hours are worked out in prose.
    answer: 1515
    ---
    # Question

    A bakery has ...

    # Run

    the trajectory: thoughts, ```python blocks, the ```output block after each, `</think>`, \\boxed{}

`trigger` is one of the seven or `none`. `quote` marks the beginning of the flaw and occurs once in the model's text; a
trace without a flaw has none. The transcript is the text of the file. Its programs run again when it is read, so
statuses and solver reports are real.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, cast

from storm_calm.agents.reasoners.chat_template import render
from storm_calm.agents.triggers.evidence import sentence_start
from storm_calm.env.answers import parse_answer
from storm_calm.env.episode import Episode
from storm_calm.env.intervention import TRIGGERS, Trigger
from storm_calm.env.problem import AnswerKey, Problem
from storm_calm.env.protocol import Inline
from storm_calm.env.transcript import Span, Transcript
from storm_calm.sandbox import Sandbox

FIELDS = ("id", "trigger", "quote", "why", "answer")
"""The fields in the head of a trace."""

OUTPUT = re.compile(r"^```output\n(?:.*\n)*?```[ \t]*(?:\n+|\Z)", re.MULTILINE)
"""An output block, with the line breaks after it."""

SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledTrace:
    """A finished trajectory and its first flaw."""

    id: str
    episode: Episode
    trigger: Trigger | None
    """The kind of the first flaw; None without a flaw."""
    place: tuple[int, int] | None
    """Start and end offset in the transcript of the text that an intervention would cut: the sentence of the flaw, or
    the whole block of a program. None without a flaw."""
    why: str = ""

    def holds(self, offset: int) -> bool:
        """Return whether a finding at this offset is located at the flaw."""
        return self.place is not None and self.place[0] <= offset < self.place[1]


def read_traces(path: str | Path, sandbox: Sandbox) -> tuple[LabelledTrace, ...]:
    """Read the trace of a file, or of all `*.md` files in a folder by name, and run the programs in `sandbox`.

    Raises ValueError for an invalid trace, with file and line, and for a folder without traces.
    """
    path = Path(path)
    files = sorted(path.glob("*.md")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"{path}: no traces in this folder; give a folder with *.md files, or one such file")
    # The list makes sure that an error in the last file is reported before the first program runs.
    return tuple(reader.trace(sandbox) for reader in [_Reader(file) for file in files])


def place_of(text: str, at: int, length: int) -> tuple[int, int]:
    """Return start and end of the sentence or the program's block in a model's text that a quote at `at` is in."""
    action = Inline().read(text)
    if action.start is not None and action.start < at + length <= action.end:
        return min(at, action.start), action.end
    closing = SENTENCE_END.search(text, at + length - 1)
    return sentence_start(text, at), closing.end() if closing else len(text)


class _Reader:
    """One parsed file, whose programs have not run yet."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            text = file.read_bytes().decode("utf-8").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"{file}: byte {error.start + 1} is not UTF-8; save the file as UTF-8") from error
        self._lines = text.split("\n")
        self._head, end = self._fields()
        question, run, first = self._parts(end)
        self._problem = Problem(id=self._head["id"], question=question, answers=(self._answer(),))
        # The prompt of such trajectories: Qwen3-4B-Thinking's chat template, with the protocol's own instructions.
        prompt = Span(source="prompt", text=render(Inline().messages(question)))
        self._transcript = Transcript(spans=(prompt, *self._spans(run, first)))
        self._trigger = None if self._head["trigger"] == "none" else cast(Trigger, self._head["trigger"])
        self._place = self._find_place(self._head["quote"]) if self._trigger else None

    def trace(self, sandbox: Sandbox) -> LabelledTrace:
        """Run the programs and return the trace."""
        codes = [Inline().read(span.text).code for span in self._transcript.spans if span.source == "model"]
        executions = tuple(sandbox.run(code, record=True) for code in codes if code is not None)
        episode = Episode(problem=self._problem, transcript=self._transcript, executions=executions, stop="answer")
        why = self._head.get("why", "")
        return LabelledTrace(id=self._problem.id, episode=episode, trigger=self._trigger, place=self._place, why=why)

    def _fields(self) -> tuple[dict[str, str], int]:
        """Return the fields of the head, and the index of the line that closes it."""
        if self._lines[0] != "---" or "---" not in self._lines[1:]:
            self._fail(1, 'the lines "---" around the head are missing')
        end = self._lines.index("---", 1)
        head: dict[str, str] = {}
        for number, line in enumerate(self._lines[1:end], start=2):
            name, colon, value = line.partition(":")
            if not colon or name not in FIELDS or name in head or not value.strip():
                self._fail(number, f"{line!r}; give one line, such as `id: a1`, for each of {', '.join(FIELDS)}")
            head[name] = value.strip()
        flawed = head.get("trigger", "none") != "none"
        for name in FIELDS if flawed else ("id", "trigger", "answer"):
            if name not in head:
                self._fail(end + 1, f'"{name}" is missing')
        if flawed and head["trigger"] not in TRIGGERS:
            self._fail(self._at("trigger"), f"trigger {head['trigger']!r} must be one of {', '.join(TRIGGERS)}, none")
        if not flawed and "quote" in head:
            self._fail(self._at("quote"), '"quote" needs a trigger; leave the quote out, or name the trigger')
        if head["id"] != self._file.stem:
            self._fail(self._at("id"), f"id is {head['id']!r}; name the file {head['id']}.md")
        return head, end

    def _parts(self, end: int) -> tuple[str, str, int]:
        """Return the question, the text of the trajectory, and the index of its first line."""
        question_at = self._heading("# Question", end)
        run_at = self._heading("# Run", question_at)
        question = "\n".join(self._lines[question_at + 1 : run_at]).strip()
        if not question:
            self._fail(question_at + 1, "the question is empty")
        rest = "\n".join(self._lines[run_at + 1 :])
        return question, rest.strip(), run_at + 1 + rest[: len(rest) - len(rest.lstrip())].count("\n")

    def _heading(self, heading: str, after: int) -> int:
        if heading not in self._lines[after:]:
            self._fail(after + 1, f'no line "{heading}" after this one')
        return self._lines.index(heading, after)

    def _spans(self, run: str, first: int) -> Iterator[Span]:
        """Yield the model's text and the outputs, in order."""
        offset = 0
        for output in (*OUTPUT.finditer(run), None):
            text = run[offset : output.start() if output else len(run)]
            line = first + 1 + run[:offset].count("\n")
            action = Inline().read(text)
            if output and (action.code is None or action.end != len(text)):
                self._fail(line + text.count("\n"), "an ```output block without a ```python block right before it")
            if not output and action.kind == "code":
                self._fail(line + text[: action.start].count("\n"), "a ```python block without an ```output block")
            if not output and action.kind != "answer":
                self._fail(line, "no \\boxed{} answer after the last output")
            yield Span(source="model", text=text, finish="stop" if output else "end")
            if output:
                yield Span(source="tool", text=output[0])
                offset = output.end()

    def _find_place(self, quote: str) -> tuple[int, int]:
        """Return start and end of the sentence or the block that the quote is in."""
        spans = zip(self._transcript.starts, self._transcript.spans, strict=True)
        model = [(start, span.text) for start, span in spans if span.source == "model"]
        count = sum(text.count(quote) for _, text in model)
        if count != 1:
            self._fail(self._at("quote"), f"the quote occurs {count} times in the model's text; it must occur once")
        start, text = next((start, text) for start, text in model if quote in text)
        first, last = place_of(text, text.index(quote), len(quote))
        return start + first, start + last

    def _answer(self) -> AnswerKey:
        read = parse_answer(self._head["answer"])
        if read is None:
            invalid = f"answer {self._head['answer']!r} is not valid; give a number, infeasible or unbounded"
            self._fail(self._at("answer"), invalid)
        return read.value if read.value is not None else cast(AnswerKey, read.status)

    def _at(self, name: str) -> int:
        """Return the line number of a field."""
        return next(number for number, line in enumerate(self._lines, start=1) if line.startswith(f"{name}:"))

    def _fail(self, line: int, message: str) -> NoReturn:
        raise ValueError(f"{self._file}:{line}: {message}")
