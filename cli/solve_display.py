"""A trajectory on the terminal while it is generated: model text, program output and solver reports.

Until there is something to print, a line on standard error has the seconds so far, and tokens per second.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from storm_calm.agents.verdict import Verdict
from storm_calm.env.code_fences import OUTPUT_OPENING

FENCES = ("```", "~~~")
TOKEN_CHARACTERS = 4
"""Characters per token, to estimate the tokens of a text that is still generated."""


class Waiting:
    """A line on a terminal's standard error while nothing is printed yet. Elsewhere it shows nothing.

    with Waiting(until_text=True) as waiting:
        waiting.event(event)
    """

    def __init__(self, *, until_text: bool, console: Console | None = None) -> None:
        """until_text: whether the first event ends it; else only the end does."""
        self._until_text = until_text
        self._begin = self._first = monotonic()
        self._characters = self._programs = 0
        console = console or Console(stderr=True, highlight=False)
        self.shown = console.is_terminal
        """Whether it is shown, and needs events."""
        self._live = Live(console=console, get_renderable=self._line, refresh_per_second=4, transient=True)

    def __enter__(self) -> "Waiting":
        if self.shown:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def event(self, event: dict[str, Any]) -> None:
        """Count an event of the graph."""
        if self._until_text:
            self._live.stop()
        if event["source"] == "model":
            if not self._characters:
                self._first = monotonic()
            self._characters += len(event["text"])
        self._programs += "execution" in event

    def _line(self) -> Text:
        now = monotonic()
        if not self._characters:
            return Text(f"waiting for the model: {now - self._begin:.0f} s", "dim")
        tokens = self._characters / TOKEN_CHARACTERS
        words = [f"about {tokens:,.0f} tokens", f"{tokens / max(now - self._first, 0.1):,.0f} tokens/s"]
        if self._programs:
            words.append(f"{self._programs} program{'s' if self._programs > 1 else ''}")
        return Text(f"solving: {', '.join(words)}, {now - self._begin:.0f} s", "dim")


class Printer:
    """A printer of graph events (`agents.graphs.nodes`): in colours on a terminal, else plain text."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._held = ""  # The beginning of a line that may become a fence or a tag.
        self._fresh = True  # Whether the cursor is at the beginning of a line.
        self._fence = ""  # Of the open block.

    def event(self, event: dict[str, Any]) -> None:
        if event["source"] == "model":
            self._model(event["text"])
            return
        self._flush()
        if "failure" in event:
            self._line(f"The sandbox failed: {event['failure']}", "red")
        if event["source"] == "hint":
            flaw = event["trigger"].replace("_", " ")
            self._line(f"[guard: {flaw} ({event['evidence']}); the text from there on is withdrawn]", "yellow")
            self._line(event["text"].strip(), "yellow")
        if event["source"] == "tool" and "execution" in event:
            self._line(event["text"].strip("\n"), "green" if event["execution"]["status"] == "ok" else "red")
            for report in event["execution"]["reports"]:
                self._line(_report_line(report), "magenta")

    def end(self, answer: dict[str, Any] | None, verdict: Verdict) -> None:
        """Print the answer, and the verdict on it."""
        self._flush()
        if answer is None:
            if not self._fresh:
                self._write("\n", "")
            return
        backed = verdict.backing == "backed"
        self._line(f"Answer: {answer['text']}", "bold green" if backed else "bold yellow")
        if backed:
            self._line(f"Backed: {verdict.summary}", "green")
        for warning in verdict.warnings:
            self._line(f"Warning: {warning}", "yellow")
        for missing in verdict.not_checked:
            self._line(f"Not checked: {missing}.", "dim")

    def saved(self, folder: Path, names: Iterable[str]) -> None:
        """Print what was saved."""
        self._line(f"Saved in {folder}: {', '.join(sorted(names))}", "")

    def _model(self, text: str) -> None:
        """Print text at once; hold only lines that may be a fence or a tag until they are complete."""
        for piece in re.findall(r"[^\n]*\n|[^\n]+", text):
            self._held += piece
            whole = self._held.endswith("\n")
            if whole or not (self._fresh and self._held.lstrip()[:1] in ("", "`", "~", "<")):
                self._put(self._held)
                self._held = ""

    def _put(self, text: str) -> None:
        mark = text.strip() if self._fresh else ""
        if mark in ("<think>", "</think>"):
            return
        in_block = bool(self._fence)
        if in_block and mark.startswith(self._fence) and not mark.strip(self._fence[0]):
            self._fence = ""
        elif not in_block and mark.startswith(FENCES):
            self._fence = mark[: len(mark) - len(mark.lstrip(mark[0]))]
        self._write(text, "cyan" if in_block or self._fence else "")

    def _write(self, text: str, style: str) -> None:
        self._console.print(Text(text, style=style), end="")
        self._fresh = text.endswith("\n")

    def _line(self, text: str, style: str) -> None:
        if not self._fresh:
            self._write("\n", "")
        self._write(f"{text}\n", style)

    def _flush(self) -> None:
        """Print the held text, except the start of a made-up output block, which the environment cuts."""
        if self._held and not OUTPUT_OPENING.match(self._held):
            self._put(self._held)
        self._held = ""
        self._fence = ""


def _report_line(report: dict[str, Any]) -> str:
    kinds = ("continuous", "integer", "binary")
    variables = ", ".join(f"{report[kind]} {kind}" for kind in kinds if report[kind]) or "none"
    objective = "" if report["objective"] is None else f", objective {report['objective']:g}"
    name = " ".join(word for word in (report["library"], report["solver"]) if word)
    size = f"variables: {variables}; constraints: {report['constraints']}; {report['seconds']:.2f} s"
    return f"[{name}: {report['status']}{objective}; {size}]"
