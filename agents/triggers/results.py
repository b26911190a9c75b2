"""Triggers 3 and 7, the use of results: a solver overruled, a status or an error ignored."""

import ast
import math
import re
from collections.abc import Iterator
from itertools import pairwise

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
"""Words that doubt a result."""
REJECTION = re.compile(
    r"\b(?:not (?:a |an )?(?:feasible|valid|optimal|correct|possible|allowed)|infeasible|unfeasible|incorrect"
    r"|(?:is|was|seems) wrong|does not satisfy)\b",
    re.IGNORECASE,
)
"""Words that reject a result."""
BOX = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]{0,200}\}){1,400})\}")
"""A box, and what it holds."""
MAX_TAIL_CHARS = 2000
"""Characters at the end of an output that are searched for results."""
REDOING = re.compile(r"\b(?:redo(?:ing)?|redid|re-?deriv\w+|derive (?:it|this|that) again)\b", re.IGNORECASE)


def overruled(evidence: Evidence) -> Iterator[Finding]:
    """Find answers that no successful execution gave, and results that are doubted and derived again in prose."""
    execution, answer = evidence.last_execution, evidence.answer
    if execution is None or answer is None or execution.status != "ok" or len(evidence.turns) < 2:
        return
    if not numbers_in(execution.stdout) and said_status(execution) is None:
        return
    turn = evidence.turns[-1]
    doubt = DOUBT.search(turn.text)
    if any(backs(run, answer) for run in evidence.runs):
        doubt = doubt or REDOING.search(turn.text)
        if doubt and len(EQUATION.findall(turn.text, doubt.start())) >= EQUATIONS:
            at = sentence_start(turn.text, doubt.start())
            yield finding("overruled", turn, at, f"{doubt[0]}, and worked out again")
    elif doubt or (_solved(evidence) and not _derived(answer, execution, evidence)):
        at = sentence_start(turn.text, doubt.start() if doubt else _first_mention(answer, turn.text))
        yield finding("overruled", turn, at, f"answered {answer.text}, but the program found {_tail(execution)}")


def rejected_result(evidence: Evidence) -> Iterator[Finding]:
    """Find proved results that are called wrong, although the next program has the same numbers.

    A minimizer reports a maximum with its sign turned, which small models take for an error.
    """
    for before, turn in pairwise(evidence.turns):
        run = before.execution
        if run is None or run.status != "ok" or before.code is None or turn.code is None:
            continue
        found = REJECTION.search(turn.prose[:MAX_TAIL_CHARS])
        proved = bool(run.reports) and run.reports[-1].status == "optimal"
        if found and proved and set(before.code.numbers) == set(turn.code.numbers):
            shown = f"{found[0]}, but the program is solved again with the same numbers"
            yield finding("rejected_result", turn, sentence_start(turn.text, found.start()), shown)
            return


def same_again(evidence: Evidence) -> Iterator[Finding]:
    """Find programs that run again without a change, after an error or without a solution."""
    before: dict[str, Execution] = {}
    for turn in evidence.turns:
        run = turn.execution
        if turn.code is None or run is None or turn.block is None:
            continue
        same = ast.dump(turn.code.tree)
        earlier = before.get(same)
        if earlier and (earlier.status != "ok" or _without_solution(earlier)):
            result = earlier.reports[-1].status if earlier.status == "ok" else earlier.error_line or earlier.status
            yield finding("same_again", turn, turn.block - turn.start, f"the same program again, after {result[:80]}")
            return
        before[same] = run


def _without_solution(execution: Execution) -> bool:
    return bool(execution.reports) and execution.reports[-1].status in ("infeasible", "unbounded", "error")


def status_ignored(evidence: Evidence) -> Iterator[Finding]:
    """Find numeric answers although the last solve failed and no execution found that number."""
    execution, answer = evidence.last_execution, evidence.answer
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
    """Find answers that no execution gave, after a last program that failed or whose solver did not finish."""
    execution, answer = evidence.last_execution, evidence.answer
    if answer is None or execution is None or any(backs(run, answer) for run in evidence.runs):
        return
    if execution.status != "ok":
        last = execution.error_line or execution.status
        yield finding("unmended_error", evidence.turns[-1], 0, f"the last program ended with {last[:80]}")
    elif not execution.reports and (code := _last_code(evidence)) and code.solves and not _solved(evidence):
        yield finding("unmended_error", evidence.turns[-1], 0, f"no solver came to an end: {_tail(execution)}")


def boxed_plan(evidence: Evidence) -> Iterator[Finding]:
    """Find boxes with two or more values of variables where the answer is the objective that a solver reported."""
    execution, turn = evidence.last_execution, evidence.turns[-1]
    if not evidence.stop or execution is None or execution.status != "ok" or not execution.reports:
        return
    objective = execution.reports[-1].objective
    boxes = list(BOX.finditer(turn.text[:MAX_TAIL_CHARS]))
    boxed = [value for box in boxes for value, _ in numbers_in(box[1])]
    printed = [value for value, _ in numbers_in(execution.stdout[-MAX_TAIL_CHARS:].replace("-", " "))]
    if objective is None or len(boxed) < 2 or _near(abs(objective), boxed):
        return
    if all(_near(value, printed) for value in boxed):
        shown = f"boxed {' and '.join(f'{value:g}' for value in boxed[:3])}, but the objective is {objective:g}"
        yield finding("boxed_plan", turn, sentence_start(turn.text, boxes[0].start()), shown)


def _near(value: float, others: list[float]) -> bool:
    return any(math.isclose(value, other, rel_tol=5e-3, abs_tol=5e-3) for other in others)


def _optimum(execution: Execution, answer: Answer) -> bool:
    """Return whether the execution gave the answer; if it has solver reports, one of them must have a solution."""
    found = any(report.status in ("optimal", "feasible") for report in execution.reports)
    return (found or not execution.reports) and backs(execution, answer)


def _solved(evidence: Evidence) -> bool:
    """Return whether a solver found a solution in the last successful execution."""
    reports = evidence.runs[-1].reports if evidence.runs else ()
    return any(report.status in ("optimal", "feasible") for report in reports)


def _last_code(evidence: Evidence) -> Code | None:
    return next((turn.code for turn in reversed(evidence.turns) if turn.execution), None)


def _first_mention(answer: Answer, text: str) -> int:
    """Return the offset of the answer in the text, 0 if it is not found."""
    if answer.value is None:
        return max(0, text.lower().find(answer.status))
    return next((at for value, at in numbers_in(text) if math.isclose(value, abs(answer.value))), 0)


def _derived(answer: Answer, execution: Execution, evidence: Evidence) -> bool:
    """Return whether the answer may follow from a result.

    Allowed are rounding, a unit conversion, one operation with a number of the question, and an equation in the last
    turn. "infeasible" and "unbounded" may follow from any result.
    """
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


def _tail(execution: Execution) -> str:
    return execution.stdout.strip()[-60:].replace("\n", " ")
