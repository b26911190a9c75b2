"""Triggers 4 to 7, lack of expertise: sense, constraints, variable types, and code that drifts from the problem.

Every rule compares the question's words and numbers with the program's syntax tree and the solver's reports; none knows
the problem families, and none knows the answer.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator

from agents.triggers.evidence import Code, Evidence, numbers_in
from agents.triggers.names import finding
from env.intervention import Finding

LARGE = re.compile(
    r"\bmaxim|\bgreatest\b|\bhighest\b|\blargest\b|\bbiggest\b|\bhow (?:large|high|big)\b"
    r"|\bhow much\b[^.?]*\bat most\b",
    re.IGNORECASE,
)
SMALL = re.compile(
    r"\bminim|\bleast\b|\blowest\b|\bcheapest?\b|\bfewest\b|\bsmallest\b|\bshortest\b"
    r"|\bhow (?:few|cheaply|soon|little)\b",
    re.IGNORECASE,
)
BOUND = re.compile(
    r"\bat (?:least|most)(?= (?:[$€£]?\d|a\b|an\b|one\b|two\b|three\b))|\bat least once\b|\bat most once\b", re.I
)

MAXIMIZING = {"Maximize", "maximize", "SetMaximization", "LpMaximize", "MAXIMIZE"}
MINIMIZING = {"Minimize", "minimize", "SetMinimization", "LpMinimize", "MINIMIZE"}

LIMIT = re.compile(
    r"\bat (?:least|most)\b|\bno (?:more|less|fewer) than\b|\bup to\b|\bonly\b|\blimit(?:ed)?\b|\bcapacity\b"
    r"|\bavailable\b|\bbudget\b|\bmust\b|\brequire[sd]?\b|\bneed at\b|\bholds?\b|\bexceed\b",
    re.IGNORECASE,
)

WHOLE = re.compile(
    r"\bwhole (?:units|numbers?|amounts?)\b|\binteger|\b(?:cannot|can ?not|can't) be (?:split|divided)\b"
    r"|\bindivisible\b|\bnone of\b[^.]*\bcan be split\b|\beither\b[^.]*\bor (?:not|left)\b|\bat most once\b"
    r"|\bto open\b|\bOpening\b",
    re.IGNORECASE,
)
FRACTIONAL = re.compile(
    r"\bfractional\b|\bany fraction\b|\bfractions? (?:is|are) allowed\b|\bcontinuous\b", re.IGNORECASE
)

INTEGER_WORDS = {
    "IntVar", "BoolVar", "NewIntVar", "NewBoolVar", "new_int_var", "new_bool_var", "LpInteger", "LpBinary", "Integer",
    "Binary", "integer", "boolean", "integrality", "INTEGER", "BINARY", "Integers", "NonNegativeIntegers", "Boolean",
    "addBinary", "addIntegral", "add_binary_variable", "add_integer_variable", "kInteger",
}  # fmt: skip
CONTINUOUS_WORDS = {
    "NumVar", "LpVariable", "Variable", "Continuous", "CONTINUOUS", "add_variable", "addVariable", "linprog", "Reals",
    "NonNegativeReals", "addVar", "Var",
}  # fmt: skip

CONSTRAINT_WORDS = {
    "Add", "add", "Constraint", "RowConstraint", "addConstr", "addConstrs", "addConstraint", "add_constraint",
    "add_linear_constraint", "addCons", "addRow", "LinearConstraint", "A_ub", "A_eq", "constraints", "bounds",
    "AddDimension", "addVars",
}  # fmt: skip

SMALL_NUMBER = 10
"""Numbers below this are everywhere in code; their presence or absence is no evidence."""


def wrong_sense(evidence: Evidence) -> Iterator[Finding]:
    """A program that minimizes where the question asks for the most, or the reverse."""
    wanted = wanted_sense(evidence.question)
    for turn in evidence.turns:
        if wanted and (code := turn.code) and turn.block is not None:
            senses = {"maximize"} if code.words & MAXIMIZING else set()
            senses |= {"minimize"} if code.words & MINIMIZING else set()
            if len(senses) == 1 and wanted not in senses and not code.undefined:
                said = f"the question asks to {wanted}, the program to {senses.pop()}"
                yield finding("wrong_sense", turn, turn.block - turn.start, said)


def wanted_sense(question: str) -> str | None:
    """ "maximize" or "minimize", as far as the words say it; the last sentence decides where both are found."""
    for text in (question, re.split(r"(?<=[.?!])\s+", question.strip())[-1]):
        large = bool(LARGE.search(text))
        small = bool(SMALL.search(BOUND.sub(" ", text)))
        if large != small:
            return "maximize" if large else "minimize"
    return None


def missing_constraint(evidence: Evidence) -> Iterator[Finding]:
    """Data that a program names and never uses, or a limit in the question whose number it lacks."""
    for turn in evidence.turns:
        code = turn.code
        if code is None or turn.block is None or not code.complete:
            continue
        at = turn.block - turn.start
        if unused := _unused_data(code):
            yield finding("missing_constraint", turn, at, f"{unused} is set and never used")
        elif lacking := _lacking_limits(evidence, code):
            value, clause = lacking[0]
            yield finding(
                "missing_constraint", turn, at, f'no {value:g} in the program, but "{clause}" in the question'
            )
        elif LIMIT.search(evidence.question) and not _constrains(code):
            yield finding("missing_constraint", turn, at, "the program has no constraint at all")


def wrong_type(evidence: Evidence) -> Iterator[Finding]:
    """Continuous variables alone where things are whole; whole ones alone where fractions are allowed."""
    whole, fractional = bool(WHOLE.search(evidence.question)), bool(FRACTIONAL.search(evidence.question))
    if whole == fractional:
        return
    for turn in evidence.turns:
        code = turn.code
        if code is None or turn.block is None or not code.complete:
            continue
        integer, continuous = bool(code.words & INTEGER_WORDS), bool(code.words & CONTINUOUS_WORDS)
        if whole and ((continuous and not integer) or _relaxed(code)):
            yield finding("wrong_type", turn, turn.block - turn.start, "the question asks for whole amounts")
        elif fractional and integer and not continuous:
            yield finding("wrong_type", turn, turn.block - turn.start, "the question allows fractions")


def _relaxed(code: Code) -> bool:
    """Whether a continuous variable lies between 0 and 1: a yes-or-no decision that may be taken by half."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "NumVar"
        and [a.value for a in node.args[:2] if isinstance(a, ast.Constant)] == [0, 1]
        for node in ast.walk(code.tree)
    )


def misread_number(evidence: Evidence) -> Iterator[Finding]:
    """A number in the program that is one slip away from one in the question that the program lacks."""
    for turn in evidence.turns:
        code = turn.code
        if code is None or turn.block is None or not code.complete:
            continue
        for wrong, right in _slips(evidence, code):
            said = f"{wrong:g} is not in the question, {right:g} is"
            yield finding("misread_number", turn, turn.block - turn.start, said)


def status_ignored(evidence: Evidence) -> Iterator[Finding]:
    """A number reported although the solver found no optimum."""
    answer = evidence.answer
    execution = evidence.last_execution
    if answer is None or answer.value is None or execution is None or execution.status != "ok" or not execution.reports:
        return
    status = execution.reports[-1].status
    if status in ("infeasible", "unbounded", "error") and status not in execution.stdout.lower():
        turn = next(turn for turn in reversed(evidence.turns) if turn.execution is execution)
        at = 0 if turn.block is None else turn.block - turn.start
        yield finding("status_ignored", turn, at, f"the solver said {status}, the answer is {answer.text}")


def unmended_error(evidence: Evidence) -> Iterator[Finding]:
    """An answer although the last program failed."""
    execution, answer = evidence.last_execution, evidence.answer
    if answer is not None and execution is not None and execution.status != "ok":
        turn = evidence.turns[-1]
        last = execution.stderr.strip().splitlines()[-1:] or [execution.status]
        yield finding("unmended_error", turn, 0, f"the last program ended with {last[0][:80]}")


def _constrains(code: Code) -> bool:
    """Whether a program adds any constraint, in whatever way."""
    compared = (op for node in ast.walk(code.tree) if isinstance(node, ast.Compare) for op in node.ops)
    return bool(code.words & CONSTRAINT_WORDS) or any(
        isinstance(op, (ast.LtE, ast.GtE, ast.Lt, ast.Gt)) for op in compared
    )


def _unused_data(code: Code) -> str | None:
    """A name that holds literal numbers and is never read."""
    for node in code.tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in code.loaded and name != "_":
                values = [n for n in ast.walk(value) if isinstance(n, ast.Constant)]
                shape = (ast.List, ast.Tuple, ast.Dict, ast.Constant)
                if isinstance(value, shape) and values and all(type(n.value) in (int, float, str) for n in values):
                    return name
    return None


def _lacking_limits(evidence: Evidence, code: Code) -> list[tuple[float, str]]:
    """Numbers in clauses that state a limit, at least 10, which the program does not hold."""
    slipped = {right for _, right in _slips(evidence, code)}
    return [
        (value, clause)
        for clause in _limits(evidence.question)
        for value, _ in numbers_in(clause)
        if value >= SMALL_NUMBER and not _held(value, code, evidence.question) and value not in slipped
    ]


def _limits(question: str) -> Iterator[str]:
    """The clauses that state a limit; one that begins with a number goes on with the limit before it ("at least 3, 4
    and 5")."""
    for sentence in re.split(r"(?<=[.?!])\s", question):
        limit = False
        for clause in re.split(r"(?<!\d)[,;]|[,;](?!\d)|\band\b", sentence):
            limit = bool(LIMIT.search(clause)) or (limit and re.match(r"\s*[$€£]?\d", clause) is not None)
            if limit:
                yield clause.strip()


def _held(value: float, code: Code, question: str) -> int:
    """How often a program holds a number of the question, as it stands or, for a percentage, as a fraction."""
    scales = [1.0]
    if re.search(rf"(?<![\d.]){value:g} ?(?:%|percent)", question):
        scales.append(0.01)
    elif value < 1:
        scales.append(100.0)
    near = [value * scale for scale in scales]
    return sum(count for held, count in code.numbers.items() if any(math.isclose(held, n) for n in near))


def _slips(evidence: Evidence, code: Code) -> list[tuple[float, float]]:
    """Pairs (number in the program, number in the question) one slip apart.

    The first is not in the question, the second less often in the program than in the question.
    """
    strange = [n for n in code.numbers if n >= SMALL_NUMBER and n not in evidence.numbers and not _round(n)]
    lacking = [
        n for n in evidence.numbers if n >= SMALL_NUMBER and _held(n, code, evidence.question) < evidence.numbers[n]
    ]
    return [(wrong, right) for wrong in sorted(strange) for right in sorted(lacking) if _one_slip(wrong, right)]


def _round(value: float) -> bool:
    """Powers of ten: scales, big numbers, percentages."""
    return f"{value:.0f}".rstrip("0") == "1" and value == int(value)


def _one_slip(first: float, second: float) -> bool:
    """Whether two numbers' spellings differ by one digit changed, dropped or doubled, or by two neighbours swapped."""
    a, b = f"{first:g}", f"{second:g}"
    if len(a) == len(b):
        differing = [i for i in range(len(a)) if a[i] != b[i]]
        swapped = len(differing) == 2 and differing[1] == differing[0] + 1
        return len(differing) == 1 or (
            swapped and a[differing[0]] == b[differing[1]] and a[differing[1]] == b[differing[0]]
        )
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return len(longer) == len(shorter) + 1 and any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))
