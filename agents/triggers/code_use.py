"""Triggers 1 to 3, distrust of code: computing by hand, code in pieces or imagined, results overruled."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from agents.triggers.evidence import Evidence, numbers_in, sentence_start
from agents.triggers.names import finding
from env.answers import Answer
from env.intervention import Finding
from sandbox import Execution

BY_HAND = re.compile(
    r"\b(?:by hand|manually|in my head|mentally|with pen and paper|without (?:any |writing )?(?:code|a program))\b"
    r"(?! (?:is|would be|seems|gets) (?:un|too|error|tedious|hard|risky))",
    re.IGNORECASE,
)
WOULD_PRINT = re.compile(
    r"\b(?:program|code|script|solver|model)\b[^.\n]{0,40}\bwould (?:then |now |probably |likely )?"
    r"(?:print|output|return|give|show|yield)\b",
    re.IGNORECASE,
)
REFUSAL = re.compile(r"\b(?:not|never|instead of|rather than|avoid|stop)\b[^.\n]{0,40}$", re.IGNORECASE)
EQUATION = re.compile(r"\d[\d.,]*\s*[-+*/×·]\s*\d[\d.,]*(?:\s*[-+*/×·]\s*\d[\d.,]*)*\s*=\s*-?\d")
DOUBT = re.compile(
    r"(?:does ?n[o']t|do ?n[o']t|cannot|can ?not|can't)\s+(?:look|seem|be|think|trust|believe)"
    r"|\b(?:doubt|suspicious|I would expect)\b",
    re.IGNORECASE,
)

EQUATIONS = 3
"""So many worked equations in one turn without a program count as computing by hand."""


def by_hand(evidence: Evidence) -> Iterator[Finding]:
    """Numbers worked out in prose where a program would do; an answer without any run."""
    for turn in evidence.turns:
        if found := _intended(BY_HAND, turn.prose):
            yield finding("by_hand", turn, sentence_start(turn.text, found.start()), found[0])
        elif turn.source is None and len(worked := list(EQUATION.finditer(turn.prose))) >= EQUATIONS:
            yield finding("by_hand", turn, sentence_start(turn.text, worked[0].start()), worked[0][0])
    if evidence.answer is not None and evidence.last_execution is None:
        turn = evidence.turns[-1]
        closing = turn.text.find("</think>")
        yield finding(
            "by_hand", turn, max(0, closing), f"answered {evidence.answer.text} without running a program", 0.9
        )


def fragment(evidence: Evidence) -> Iterator[Finding]:
    """A block that neither solves nor prints anything: a piece of a program."""
    for turn in evidence.turns:
        code = turn.code
        if code is not None and turn.block is not None and not code.solves and "print" not in code.calls:
            yield finding("fragment", turn, turn.block - turn.start, "the block solves nothing and prints nothing")


def imagined_output(evidence: Evidence) -> Iterator[Finding]:
    """Saying what a program would print instead of running it."""
    for turn in evidence.turns:
        if found := _intended(WOULD_PRINT, turn.prose):
            yield finding("imagined_output", turn, sentence_start(turn.text, found.start()), found[0])


def overruled(evidence: Evidence) -> Iterator[Finding]:
    """An answer that is not what the last successful run found."""
    execution, answer = evidence.last_execution, evidence.answer
    if execution is None or answer is None or execution.status != "ok" or len(evidence.turns) < 2:
        return
    if not _has_result(execution) or _says(execution, answer):
        return
    turn = evidence.turns[-1]
    doubt = DOUBT.search(turn.text)
    at = sentence_start(turn.text, doubt.start()) if doubt else 0
    yield finding("overruled", turn, at, f"answered {answer.text}, but the program found {_shown(execution)}")


def _intended(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The first match that is not being refused in the same sentence ("instead of working by hand")."""
    return next((found for found in pattern.finditer(text) if not REFUSAL.search(text[: found.start()])), None)


def _has_result(execution: Execution) -> bool:
    return bool(numbers_in(execution.stdout)) or _says_status(execution) is not None


def _says_status(execution: Execution) -> str | None:
    return next((word for word in ("infeasible", "unbounded") if word in execution.stdout.lower()), None)


def _says(execution: Execution, answer: Answer) -> bool:
    """Whether the run's output or a solver's report backs the answer, rounding allowed."""
    if answer.value is None:
        reported = {report.status for report in execution.reports}
        return answer.status in reported or answer.status == _says_status(execution)
    known = [value for value, _ in numbers_in(execution.stdout.replace("-", " "))]
    known += [abs(report.objective) for report in execution.reports if report.objective is not None]
    return any(math.isclose(abs(answer.value), value, rel_tol=1e-3, abs_tol=0.51 if value > 1000 else 1e-3)
               for value in known)  # fmt: skip


def _shown(execution: Execution) -> str:
    return execution.stdout.strip()[-60:].replace("\n", " ")
