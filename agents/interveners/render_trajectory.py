"""A run as a language model that watches is shown it: part by part, each below a line that says whose text it is.

    messages = opening(episode)          # what it is told, and what it is asked

What a reasoner and its programs write is material to judge. It stands between lines with a mark that occurs nowhere in
it, so no text can pass for another part of the run, or for the words of whoever asks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from storm_calm.agents.interveners.prompts import render
from storm_calm.agents.interveners.reply_parser import sound
from storm_calm.env.episode import Episode, StopReason
from storm_calm.sandbox import Execution, SolverReport

JUST_NOW = "written by the reasoner just now"
"""The title of the segment that is judged while a run goes on."""


ENDINGS: dict[StopReason, str] = {
    "answer": "the reasoner has answered",
    "budget": "the reasoner wrote one program more than it may run",
    "length": "the reasoner has no room left to write",
    "malformed": "the reasoner stopped without an answer or a whole program",
    "infrastructure": "a program could not be run, through no fault of the reasoner",
}
"""Why a run is over, for whoever judges it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A stretch of a run with one source."""

    title: str
    """Whose text it is."""
    text: str
    """What it says, word for word."""


def opening(episode: Episode) -> list[dict[str, str]]:
    """The messages that ask for a finding: of the last segment while the run goes on, of all when it is over.

    The accepted answers are not in it.
    """
    shown = parts(episode)
    question = episode.problem.question
    values = {"question": question, "parts": shown, "mark": mark_of([question, *(part.text for part in shown)])}
    if episode.stop is None:
        asked = render("segment.md", **values)
    else:
        asked = render("run.md", ending=ENDINGS[episode.stop], **values)
    return [{"role": "system", "content": render("intervener.md")}, {"role": "user", "content": sound(asked)}]


def parts(episode: Episode) -> list[Part]:
    """The parts of a run after its prompt, in order; what a model wrote in one go is one part."""
    transcript = episode.transcript
    since = segment_start(episode)
    executions = iter(episode.executions)
    shown: list[Part] = []
    programs = 0
    for begin, span in zip(transcript.starts, transcript.spans, strict=True):
        match span.source:
            case "prompt":
                continue
            case "tool":
                programs += 1
                part = Part(title=f"output of program {programs}{_ran(next(executions))}", text=span.text)
            case "hint":
                part = Part(title="earlier hint", text=span.text)
            case _:
                fresh = episode.stop is None and begin >= since
                part = Part(title=JUST_NOW if fresh else "written by the reasoner", text=span.text)
        if shown and shown[-1].title == part.title and span.source == "model":
            part = Part(title=part.title, text=shown.pop().text + part.text)
        shown.append(part)
    return shown


def segment_start(episode: Episode) -> int:
    """Where what is judged begins: the last thing that the model wrote, or all of a run that is over."""
    transcript = episode.transcript
    if episode.stop is not None:
        return transcript.prompt_end
    start = len(transcript.text)
    for begin, span in zip(reversed(transcript.starts), reversed(transcript.spans), strict=True):
        if span.source != "model":
            break
        start = begin
    return start


def mark_of(texts: list[str]) -> str:
    """A mark that occurs in none of the texts. It is that of the first one as long as that will do, so that an endpoint
    that remembers the beginnings of requests knows this one's again."""
    mark = hashlib.sha256(texts[0].encode(errors="replace")).hexdigest()[:8]
    while any(mark in text for text in texts):
        mark = hashlib.sha256(mark.encode()).hexdigest()[:8]
    return mark


def _ran(execution: Execution) -> str:
    """How a program ended and what its solvers said, in one line."""
    reports = "; ".join(map(_said, execution.reports)) or "none"
    return f", which ended with status {execution.status}; solver reports: {reports}"


def _said(report: SolverReport) -> str:
    words = [report.solver or report.library, report.status]
    if report.sense:
        words.append(report.sense)
    for name in ("objective", "bound"):
        value = getattr(report, name)
        if value is not None:
            words.append(f"{name} {value:.10g}")
    kinds = [f"{getattr(report, kind)} {kind}" for kind in ("continuous", "integer", "binary") if getattr(report, kind)]
    words.append(f"{' and '.join(kinds) or 'no'} variables")
    words.append(f"{report.constraints} constraints")
    return " ".join(", ".join(words).split())
