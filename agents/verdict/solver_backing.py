"""Compare an answer with the solver reports of its episode.

A report supports a number if it has the number as its objective:

    exact       equal within 1e-6 relative or 0.005 absolute; answers are often printed with two decimals
    sign        equal after a change of sign: SciPy maximizes by minimizing the negative
    rounded     equal to the decimals that the answer has; a whole number, if the question asks for a rounded answer or
                rounding changes it by at most 0.1 %
    derived     one operation away, with a number of the question, of the program or of a unit conversion, and the
                program printed it: an added fixed cost, cents to dollars

Only a solve with free variables counts, whose program uses the numbers of the question: a program that minimizes a
constant has solved nothing. Reports are claims of the program's process. Printing cannot forge them, but a malicious
program can, so the reward for a correct answer must not depend on them (docs/security.md).
"""

import contextlib
import io
import math
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal

from storm_calm.agents.triggers.arithmetic import key, unit_factors
from storm_calm.agents.triggers.data_use import PERCENT
from storm_calm.agents.triggers.evidence import PRINTED, numbers_in
from storm_calm.agents.triggers.number_words import numbers
from storm_calm.env import Answer, Episode, read_answer
from storm_calm.sandbox import Execution, SolverReport

Backing = Literal["backed", "contradicted", "unbacked", "no_answer"]
"""What the solver reports show about an answer. contradicted: the last solve has another result."""
Match = Literal["exact", "sign", "rounded", "derived"]

RELATIVE = 1e-6
ABSOLUTE = 5e-3
WHOLE = 1e-3
"""Largest relative change by rounding to a whole number."""
MIN_SHARE = 0.5
"""Share of the question's numbers that the programs must use."""
MAX_CHARS = 200_000
"""Characters of a program or an output that are searched for numbers."""
MAX_MESSAGES = 20
"""Messages of a conversation whose numbers are compared, from the end."""
MAX_SOLVES = 100
"""Solves that are tried with one more operation, from the end."""
MAX_OPERANDS = 200
"""Numbers that are tried in one operation."""
SMALL_COUNT = 10
"""Numbers in words up to this one are not searched in programs."""
_ROUNDING = re.compile(r"\bround(?:ed|ing)?\b|\bnearest\b|\bwhole (?:dollars|euros|pounds|cents)\b", re.IGNORECASE)
_IN_CODE = re.compile(r"(?<![\w.])\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Solve:
    """A solver report and its execution."""

    report: SolverReport
    execution: Execution

    @property
    def name(self) -> str:
        """The solver, or the library if the solver is unknown."""
        return self.report.solver or self.report.library

    @property
    def variables(self) -> int:
        return self.report.continuous + self.report.integer + self.report.binary

    @property
    def decides(self) -> bool:
        """Whether the model has a variable that its bounds do not fix."""
        return self.variables > self.report.fixed

    @property
    def found(self) -> bool:
        """Whether the solver found a solution."""
        return self.report.status in ("optimal", "feasible")


@dataclass(frozen=True, kw_only=True, slots=True)
class SolverBacking:
    """The support of an answer by solver reports."""

    backing: Backing
    solve: Solve | None = None
    """The solve that supports or contradicts the answer, or the last one; None without a report."""
    match: Match | None = None
    """How the objective leads to the answer; None unless a number is backed."""
    reason: str = ""
    """Why nothing backs the answer, in words."""


def solver_backing(episode: Episode, messages: Sequence[str] = ()) -> SolverBacking:
    """Compare the final answer with the solver reports.

    messages: the texts of the conversation. "With 10 more hours" has its data in an earlier one.
    """
    answer = read_answer(episode.transcript) if episode.stop == "answer" else None
    if answer is None:
        return SolverBacking(backing="no_answer")
    return _Comparison(episode=episode, answer=answer, messages=tuple(messages)).result()


def backed_by_report(episode: Episode) -> bool:
    """Return whether a solver report supports the final answer."""
    return solver_backing(episode).backing == "backed"


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """The comparison of one answer."""

    episode: Episode
    answer: Answer
    messages: tuple[str, ...]

    @cached_property
    def solves(self) -> list[Solve]:
        return [Solve(report=report, execution=run) for run in self.episode.executions for report in run.reports]

    @cached_property
    def question_numbers(self) -> set[float]:
        return _numbers_of(self.episode.problem.question)

    @cached_property
    def code_numbers(self) -> set[float]:
        """The numbers of the programs that ran, also those inside strings, but not in comments."""
        found: set[float] = set()
        for execution in self.episode.executions:
            code = _without_comments(execution.code[:MAX_CHARS])
            found |= {float(one.replace("_", "")) for one in _IN_CODE.findall(code)}
        return {value for value in found if math.isfinite(value)}

    def result(self) -> SolverBacking:
        if not self.solves:
            ran = any(execution.ran for execution in self.episode.executions)
            reason = "no solver reported a result" if ran else "no program ran"
            return SolverBacking(backing="unbacked", reason=reason)
        counted = [solve for solve in self.solves if solve.decides]
        if not counted:
            return SolverBacking(
                backing="unbacked", solve=self.solves[-1], reason="the solved model has no free variables"
            )
        if not self._uses_question():
            reason = "the programs use few of the numbers in the question"
            return SolverBacking(backing="unbacked", solve=counted[-1], reason=reason)
        return self._status(counted) if self.answer.value is None else self._number(counted, self.answer.value)

    def _uses_question(self) -> bool:
        """Return whether the programs use enough numbers of the question, or of an earlier message."""
        if not self.question_numbers or self.episode_has_files:
            return True
        earlier = (found for text in self.messages[-MAX_MESSAGES:] if (found := _numbers_of(text)))
        return any(self._uses(given) for given in (self.question_numbers, *earlier))

    def _uses(self, given: set[float]) -> bool:
        """Return whether the programs use enough of the given numbers, as they are or converted."""
        factors = (1.0, 10.0, 100.0, 1000.0, *unit_factors(self.episode.problem.question))
        known = {key(value) for number in self.code_numbers for f in factors for value in (number * f, number / f)}
        unused = [value for value in given if key(value) not in known]
        enough = MIN_SHARE * len(given)
        used = len(given) - len(unused)
        if used >= enough:
            return True
        # A price less a cost may be in the program as their difference.
        written = {key(value) for value in self.code_numbers if value > 2}
        pairs = combinations(sorted(given)[:MAX_OPERANDS], 2)
        merged = {one for pair in pairs if written & set(_combined(*pair)) for one in pair}
        return used + sum(value in merged for value in unused) >= enough

    @property
    def episode_has_files(self) -> bool:
        """Whether programs read their data from files, so that the question's numbers need not be in them."""
        return any(re.search(r"\bopen\(|\bread_\w+\(", run.code[:MAX_CHARS]) for run in self.episode.executions)

    def _status(self, solves: list[Solve]) -> SolverBacking:
        last = solves[-1]
        # The last solve of a program counts. Later programs may drop a constraint at a time to explain the result.
        ends = {id(solve.execution): solve for solve in solves}.values()
        match = next((solve for solve in ends if solve.report.status == self.answer.status), None)
        if match is None and not last.found:
            match = next((solve for solve in reversed(solves) if solve.report.status == self.answer.status), None)
        if match is not None:
            return SolverBacking(backing="backed", solve=match)
        if last.found:
            return SolverBacking(backing="contradicted", solve=last)
        reason = f"no solver reported {self.answer.status}"
        return SolverBacking(backing="unbacked", solve=last, reason=reason)

    def _number(self, solves: list[Solve], value: float) -> SolverBacking:
        # The last solve first: earlier ones may be of models that the program gave up.
        for kind in ("exact", "sign", "rounded", "derived"):
            for solve in reversed(solves[-MAX_SOLVES:] if kind == "derived" else solves):
                if solve.found and solve.report.objective is not None and self._matches(kind, solve, value):
                    return SolverBacking(backing="backed", solve=solve, match=kind)
        last = solves[-1]
        reason = "no solve has it as its objective"
        printed = bool(self._printing)
        if last.report.status in ("infeasible", "unbounded"):
            # A search for the smallest feasible number ends with an infeasible one about every second time.
            searched = printed and any(solve.found for solve in solves if solve.execution is last.execution)
            if not searched:
                return SolverBacking(backing="contradicted", solve=last)
        elif last.report.status == "optimal" and last.report.objective is not None and not printed:
            stated = sorted({*self.question_numbers, *self._factors()})[:MAX_OPERANDS]
            if not any(_same(abs(value), one) for one in _results(abs(last.report.objective), stated)):
                return SolverBacking(backing="contradicted", solve=last)
            reason = "it needs one more operation after the solve, which no program computed"
        return SolverBacking(backing="unbacked", solve=last, reason=reason)

    def _matches(self, kind: Match, solve: Solve, value: float) -> bool:
        objective = solve.report.objective
        assert objective is not None
        match kind:
            case "exact":
                return _same(value, objective)
            case "sign":
                return _same(value, -objective)
            case "rounded":
                wanted = bool(_ROUNDING.search(self.episode.problem.question))
                return _rounds_to(abs(objective), abs(value), self.answer.text, to_whole=wanted)
            case "derived":
                return id(solve.execution) in self._printing and any(
                    _same(abs(value), one) for one in _results(abs(objective), self._operands)
                )

    @cached_property
    def _printing(self) -> set[int]:
        """The ids of the executions that printed the answer."""
        value = abs(self.answer.value or 0.0)
        return {id(run) for run in self.episode.executions if any(_same(value, number) for number in _printed(run))}

    @cached_property
    def _operands(self) -> list[float]:
        """The numbers with which an objective may be combined."""
        operands = {*self._factors(), 100.0, *self.question_numbers, *self.code_numbers}
        return sorted(operands)[:MAX_OPERANDS]

    def _factors(self) -> set[float]:
        """Return the factors of units, and those of percentages: 0.88 and 1.12 for a tax of 12 %."""
        question = self.episode.problem.question
        shares = {float(found) / 100 for found in PERCENT.findall(question)}
        return {*unit_factors(question), *(1 - share for share in shares), *(1 + share for share in shares)}


def _numbers_of(text: str) -> set[float]:
    """Return the distinct numbers of a text above 2; smaller ones occur in any program."""
    given = {value for value, _ in numbers_in(text) if value > 2}
    # "Three slots for seven exams": small counts in words are often only the length of a list.
    return given | {value for value in numbers(text) if value > SMALL_COUNT}


def _without_comments(code: str) -> str:
    """Return Python code without its comments; unchanged from where it cannot be read."""
    lines = code.split("\n")
    with contextlib.suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.COMMENT and token.start[0] <= len(lines):
                lines[token.start[0] - 1] = lines[token.start[0] - 1][: token.start[1]]
    return "\n".join(lines)


def _results(objective: float, operands: Sequence[float]) -> Iterator[float]:
    """Yield the results of one operation on an objective and an operand."""
    for operand in operands:
        yield from (objective + operand, abs(objective - operand), objective * operand)
        if operand:
            yield objective / operand


def _combined(one: float, other: float) -> list[float]:
    """Return the results of one operation on two numbers of the question, one of which may be a percentage."""
    values = [one + other, abs(one - other), one * other, one * other / 100, one / other, other / one]
    values += [one * (1 - other / 100), other * (1 - one / 100)]
    return [key(value) for value in values]


def _same(value: float, objective: float) -> bool:
    return abs(objective - value) <= max(RELATIVE * abs(value), ABSOLUTE)


def _rounds_to(objective: float, value: float, text: str, *, to_whole: bool) -> bool:
    """Return whether the objective, rounded to the decimals of the answer's text, is the value.

    to_whole: whether the question asks for a rounded answer.
    """
    decimals = max((len(found) for found in re.findall(r"\d\.(\d+)", text)), default=0)
    if decimals:
        return abs(objective - value) <= 0.5 * 10.0**-decimals * (1 + RELATIVE)
    return abs(objective - value) <= (0.5 if to_whole else min(0.5, WHOLE * abs(value)))


def _printed(execution: Execution) -> Iterator[float]:
    """Yield the absolute values of the numbers at the end of an output."""
    text = execution.stdout[-MAX_CHARS:]
    yield from (float(found) for found in PRINTED.findall(text.replace(",", "")))
    yield from (value for value, _ in numbers_in(text.replace("-", " ")))
