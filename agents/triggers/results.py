"""What is made of results: a solver overruled, a status or an error ignored (triggers 3 and 7)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from storm_calm.agents.triggers.arithmetic import EQUATION, unit_factors, worked
from storm_calm.agents.triggers.code_use import EQUATIONS
from storm_calm.agents.triggers.evidence import Code, Evidence, backs, numbers_in, said_status, sentence_start
from storm_calm.agents.triggers.names import finding
from storm_calm.env.answers import Answer
from storm_calm.env.intervention import Finding
from storm_calm.sandbox import Execution

DOUBT = re.compile(
    r"\b(?:that|this|it|which|result|value|solver|\d[\d.,]*)\s+(?:(?:really|surely|just) )?"
    r"(?:does ?n[o']t|cannot|can ?not|can't|couldn't|could not)\s+(?:look|seem|be|sound|make sense)"
    r"|\b(?:do ?n[o']t|do not|cannot|can't)\s+(?:(?:really|quite) )?(?:trust|believe)\b"
    r"|\b(?:doubt|suspicious|I would(?: have)? expect(?:ed)?)\b"
    r"|\b(?:seems?|looks?) (?:off|wrong|too (?:low|high|small|large|big|good))\b",
    re.IGNORECASE,
)
"""Words of somebody who does not believe a result."""
MAX_TAIL_CHARS = 2000
"""Characters at the end of an output in which a result stands."""
REDOING = re.compile(r"\b(?:redo(?:ing)?|redid|re-?deriv\w+|derive (?:it|this|that) again)\b", re.IGNORECASE)


def overruled(evidence: Evidence) -> Iterator[Finding]:
    """An answer that no successful run found, or a result that was doubted and derived again in prose."""
    execution, answer = evidence.last_execution, evidence.answer
    if execution is None or answer is None or execution.status != "ok" or len(evidence.turns) < 2:
        return
    if not _has_result(execution):
        return
    turn = evidence.turns[-1]
    doubt = DOUBT.search(turn.text)
    if any(backs(run, answer) for run in evidence.runs):
        doubt = doubt or REDOING.search(turn.text)
        if doubt and len(EQUATION.findall(turn.text, doubt.start())) >= EQUATIONS:
            said = f"{doubt[0]}, and worked out again"
            yield finding("overruled", turn, sentence_start(turn.text, doubt.start()), said)
    elif doubt or (_solved(evidence) and not _derived(answer, execution, evidence)):
        at = doubt.start() if doubt else _first_said(answer, turn.text)
        said = f"answered {answer.text}, but the program found {_shown(execution)}"
        yield finding("overruled", turn, sentence_start(turn.text, at), said)


def status_ignored(evidence: Evidence) -> Iterator[Finding]:
    """A number reported although the solver found no optimum, and no other run did."""
    answer = evidence.answer
    execution = evidence.last_execution
    if answer is None or answer.value is None or execution is None or execution.status != "ok" or not execution.reports:
        return
    status = execution.reports[-1].status
    if status not in ("infeasible", "unbounded", "error") or any(_optimum(run, answer) for run in evidence.runs):
        return
    if status in execution.stdout.lower():
        turn, at = evidence.turns[-1], 0
        if DOUBT.search(turn.text):
            return
    else:
        turn = next(turn for turn in reversed(evidence.turns) if turn.execution is execution)
        at = 0 if turn.block is None else turn.block - turn.start
    yield finding("status_ignored", turn, at, f"the solver said {status}, the answer is {answer.text}")


def unmended_error(evidence: Evidence) -> Iterator[Finding]:
    """An answer although the last program failed, and none before it found that answer."""
    execution, answer = evidence.last_execution, evidence.answer
    if answer is None or execution is None or any(backs(run, answer) for run in evidence.runs):
        return
    if execution.status != "ok":
        last = execution.stderr.strip().splitlines()[-1:] or [execution.status]
        yield finding("unmended_error", evidence.turns[-1], 0, f"the last program ended with {last[0][:80]}")
    elif not execution.reports and (code := _last_code(evidence)) and code.solves and not _solved(evidence):
        yield finding("unmended_error", evidence.turns[-1], 0, f"no solver came to an end: {_shown(execution)}")


def _optimum(execution: Execution, answer: Answer) -> bool:
    """Whether a solve of this run that found a solution backs the answer."""
    found = any(report.status in ("optimal", "feasible") for report in execution.reports)
    return (found or not execution.reports) and backs(execution, answer)


def _has_result(execution: Execution) -> bool:
    return bool(numbers_in(execution.stdout)) or said_status(execution) is not None


def _solved(evidence: Evidence) -> bool:
    """Whether the last run has a solution by a solver; one without has nothing that could be overruled."""
    reports = evidence.runs[-1].reports if evidence.runs else ()
    return any(report.status in ("optimal", "feasible") for report in reports)


def _last_code(evidence: Evidence) -> Code | None:
    return next((turn.code for turn in reversed(evidence.turns) if turn.execution), None)


def _first_said(answer: Answer, text: str) -> int:
    """Where the answer is first said."""
    if answer.value is None:
        return max(0, text.lower().find(answer.status))
    return next((at for value, at in numbers_in(text) if math.isclose(value, abs(answer.value))), 0)


def _derived(answer: Answer, execution: Execution, evidence: Evidence) -> bool:
    """Whether the answer may follow from a result: by rounding, in another unit, with a number of the question, by an
    equation in the last turn. An answer in words may follow from any."""
    if answer.value is None:
        return True
    wanted = abs(answer.value)
    results = {value for value, _ in numbers_in(execution.stdout[-MAX_TAIL_CHARS:].replace("-", " "))}
    objectives = {abs(report.objective) for report in execution.reports if report.objective is not None}
    results |= {value for value in objectives if math.isfinite(value)}
    for result in results:
        reached = [math.floor(result), math.ceil(result)]
        for other in {*evidence.numbers, *unit_factors(evidence.question), *(results if len(results) <= 12 else ())}:
            reached += [result * other, result + other, abs(result - other)]
            reached += [result / other] if other else []
        if any(math.isclose(wanted, one, rel_tol=1e-4, abs_tol=1e-6) for one in reached):
            return True
    return any(
        math.isclose(numbers[-1], wanted) and results & set(numbers[:-1]) for numbers in worked(evidence.turns[-1].text)
    )


def _shown(execution: Execution) -> str:
    return execution.stdout.strip()[-60:].replace("\n", " ")
