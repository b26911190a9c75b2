"""The trajectory in the prompt of the LLM intervener: its parts, each below a line that names the source.

    messages = opening(episode)          # system and user message

The text of the reasoner and its programs is untrusted. The lines between the parts have a mark that does not occur in
the text, so no text can imitate another part or the instructions.
"""

import hashlib
from dataclasses import dataclass, replace
from itertools import takewhile

from storm_calm.agents.interveners.prompts import render
from storm_calm.agents.interveners.reply_parser import sound
from storm_calm.env.episode import Episode, StopReason
from storm_calm.env.workspace import shown_question
from storm_calm.sandbox import Execution, SolverReport

JUST_NOW = "written by the reasoner just now"
"""The title of the segment to judge in an unfinished trajectory."""

ENDINGS: dict[StopReason, str] = {
    "answer": "the reasoner has answered",
    "budget": "the reasoner wrote one program more than it may run",
    "length": "the reasoner has no room left to write",
    "context": "the text no longer fits the context of the reasoner",
    "repetition": "the reasoner repeats itself without end, and was stopped",
    "malformed": "the reasoner stopped without an answer or a whole program",
    "infrastructure": "a program could not be run, through no fault of the reasoner",
}
"""The stop reasons in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Adjacent text of one source."""

    title: str
    """The source in words."""
    text: str


def opening(episode: Episode) -> list[dict[str, str]]:
    """Return the messages that ask for a finding; the accepted answers are left out."""
    shown = parts(episode)
    question = shown_question(episode.problem)
    values = {"question": question, "parts": shown, "mark": mark_of([question, *(part.text for part in shown)])}
    if episode.stop is None:
        asked = render("segment.md", **values)
    else:
        asked = render("run.md", ending=ENDINGS[episode.stop], **values)
    return [{"role": "system", "content": render("intervener.md")}, {"role": "user", "content": sound(asked)}]


def parts(episode: Episode) -> list[Part]:
    """Return the parts of a trajectory after its prompt, in order; adjacent model text is one part."""
    transcript = episode.transcript
    last_segment = segment_start(episode)
    executions = enumerate(episode.executions, start=1)
    shown: list[Part] = []
    for start, span in zip(transcript.starts, transcript.spans, strict=True):
        match span.source:
            case "prompt":
                continue
            case "tool":
                title = _output_title(*next(executions))
            case "hint":
                title = "earlier hint"
            case _:
                title = JUST_NOW if episode.stop is None and start >= last_segment else "written by the reasoner"
        if span.source == "model" and shown and shown[-1].title == title:
            shown[-1] = replace(shown[-1], text=shown[-1].text + span.text)
        else:
            shown.append(Part(title=title, text=span.text))
    return shown


def segment_start(episode: Episode) -> int:
    """Return the offset of the text to judge: of the last model text, or of a finished trajectory after its prompt."""
    transcript = episode.transcript
    if episode.stop is not None:
        return transcript.prompt_end
    segment = takewhile(lambda span: span.source == "model", reversed(transcript.spans))
    return len(transcript.text) - sum(len(span.text) for span in segment)


def mark_of(texts: list[str]) -> str:
    """Return a mark that does not occur in the texts. It depends on the first one if possible, for prefix caching."""
    mark = hashlib.sha256(texts[0].encode(errors="replace")).hexdigest()[:8]
    while any(mark in text for text in texts):
        mark = hashlib.sha256(mark.encode()).hexdigest()[:8]
    return mark


def _output_title(number: int, execution: Execution) -> str:
    if not execution.ran:
        return f"answer to call {number}, in which no program could be read, so nothing ran"
    reports = "; ".join(map(_in_words, execution.reports)) or "none"
    return f"output of program {number}, which ended with status {execution.status}; solver reports: {reports}"


def _in_words(report: SolverReport) -> str:
    words = [report.solver or report.library, report.status]
    if report.sense:
        words.append(report.sense)
    values = {"objective": report.objective, "bound": report.bound}
    words += [f"{name} {value:.10g}" for name, value in values.items() if value is not None]
    kinds = {"continuous": report.continuous, "integer": report.integer, "binary": report.binary}
    variables = " and ".join(f"{count} {kind}" for kind, count in kinds.items() if count) or "no"
    words += [f"{variables} variables", f"{report.constraints} constraints"]
    return " ".join(", ".join(words).split())
