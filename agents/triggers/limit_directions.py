"""Limits turned around: "at least 40" in the question, and `<= 40` in the model's formulas or program.

    stated_limits("At least 40 bags are needed, at most 90 can be sold.")    # {40.0: ">=", 90.0: "<="}

Only numbers that the question gives once are compared, and only if they are alone on their side.
"""

import ast
import re
from collections.abc import Iterator
from typing import Literal

from storm_calm.agents.triggers.evidence import Code, last_name, numbers_in
from storm_calm.agents.triggers.formula_patterns import COMPARISON
from storm_calm.agents.triggers.modelling import wanted_sense
from storm_calm.agents.triggers.signs import Signs

Direction = Literal["<=", ">=", "="]

MAX_CHARS = 20_000
"""Characters of a text that are searched for limits."""

MAX_TERMS = 100
"""Nesting up to which sums are read."""

# Possessive, and never from inside of a number: a run of digits is read once.
_NUMBER = r"(?<![\d.,])(?P<number>[$€£]?\d[\d,]*+(?:\.\d++)?)(?![\d.,]*\d|\s?%|\s?percent)"
_NOT = r"(?<!no )(?<!not )"
LEAST = re.compile(
    rf"\b(?:at least|not? (?:fewer|less) than|minimum of|{_NOT}more than)\s+{_NUMBER}",
    re.IGNORECASE,
)
MOST = re.compile(
    rf"\b(?:at most|not? more than|up to|only|maximum of|not (?:to )?exceed|{_NOT}(?:less|fewer) than|budget (?:is|of))"
    rf"\s+{_NUMBER}"
    rf"|{_NUMBER.replace('number', 'stock')}\s+(?:[a-z]+\s+){{0,5}}(?:is|are) available\b",
    re.IGNORECASE,
)
STOCK = re.compile(
    r"\b(?:there (?:are|is)|has|have|with)\b"
    r"(?P<rest>(?:(?!\b(?:at least|need|must|require|demand|order|minimum))[^.?!]|\.\d)*)",
    re.IGNORECASE,
)
"""What is there, up to words of a demand. If the question asks for a maximum, its numbers are no demands."""
PEOPLE = re.compile(
    rf"\b(?:has|of|moves|brings)\s+{_NUMBER}\s+(?:[a-z]+\s)?"
    r"(?:people|persons|pupils|students|guests|residents|passengers|patients|visitors|singers|children|kids|tourists)\b",
    re.IGNORECASE,
)
"""People to serve. If the question asks for a minimum, all of them must be."""
_SIGN = rf"(?P<sign>{COMPARISON}|(?<![<>=!:])=(?!=))"
FORMULA = re.compile(rf"{_SIGN}\s{{0,3}}(?:\\?[$€£])?(?P<number>\d[\d,]*(?:\.\d+)?)(?P<rest>[^\n]{{0,12}})")
_ALONE = re.compile(r"^\s*(?:\\?[)\]}$,;.]|\\\\|\\quad|\\text|\(|$|and\b|for\b|\w{4,})")
"""What may follow a number that is alone on its side of a formula: no variable and no operator."""


def stated_limits(question: str) -> dict[float, Direction]:
    """Return the direction of each limit that is a number of the question without another meaning."""
    question = question[:MAX_CHARS]
    count: dict[float, int] = {}
    for value, _ in numbers_in(question):
        count[value] = count.get(value, 0) + 1
    found: dict[float, set[Direction]] = {}
    for pattern, direction in ((LEAST, ">="), (MOST, "<=")):
        for match in pattern.finditer(question):
            text = match["number"] or match["stock"] if pattern is MOST else match["number"]
            values = [value for value, _ in numbers_in(text)]
            if values and values[0] > 1:
                found.setdefault(values[0], set()).add(direction)  # type: ignore[arg-type]
    if wanted_sense(question) == "maximize":
        for match in STOCK.finditer(question):
            for value, _ in numbers_in(match["rest"]):
                if value > 1:
                    found.setdefault(value, set()).add("<=")
    elif wanted_sense(question) == "minimize":
        for match in PEOPLE.finditer(question):
            found.setdefault(numbers_in(match["number"])[0][0], set()).add(">=")
    return {value: next(iter(ways)) for value, ways in found.items() if len(ways) == 1 and count.get(value) == 1}


def formula_limits(text: str) -> Iterator[tuple[float, Direction, int]]:
    """Yield the limits in formulas of a text, with their offsets: `x + y \\\\leq 40`."""
    for found in FORMULA.finditer(text[:MAX_CHARS]):
        values = [value for value, _ in numbers_in(found["number"].rstrip(","))]
        if values and _ALONE.match(found["rest"]):
            yield values[0], _direction(found["sign"]), found.start()


def _direction(sign: str) -> Direction:
    if sign == "=":
        return "="
    return "<=" if sign in ("<=", "≤") or sign.startswith("\\l") else ">="


def program_limits(code: Code) -> Iterator[tuple[float, Direction]]:
    """Yield the limits in a program: comparisons, `Constraint(lb, ub)`, rows of `linprog`, SciPy's dictionaries."""
    signs = Signs(code.tree)
    tests = {
        id(part)
        for branch in ast.walk(code.tree)
        if isinstance(branch, (ast.If, ast.While, ast.IfExp, ast.Assert))
        for part in ast.walk(branch.test)
    }
    for node in ast.walk(code.tree):
        match node:
            case ast.Compare(left=left, ops=[ast.LtE() | ast.GtE() as op], comparators=[right]) if (
                id(node) not in tests
            ):
                yield from _comparison(signs, left, isinstance(op, ast.LtE), right)
            case ast.Call() if last_name(node.func) in ("Constraint", "RowConstraint") and len(node.args) >= 2:
                yield from _bounds(signs, node.args[0], node.args[1])
            case ast.Call() if last_name(node.func) == "linprog":
                yield from _rows(signs, node)
            case ast.Dict():
                yield from _scipy_constraint(signs, node)


def _comparison(signs: Signs, left: ast.expr, less: bool, right: ast.expr) -> Iterator[tuple[float, Direction]]:
    first, rest = _linear(signs, left)
    second, others = _linear(signs, right)
    yield from _limit(second - first, rest | {None if sign is None else -sign for sign in others}, less)


def _limit(value: float, terms: set[int | None], less: bool) -> Iterator[tuple[float, Direction]]:
    """Yield the limit of `terms <= value`, or of `terms >= value`, if all terms have one sign."""
    if terms == {1} and value > 0:
        yield value, "<=" if less else ">="
    elif terms == {-1} and value < 0:
        yield -value, ">=" if less else "<="


def _linear(signs: Signs, node: ast.expr, sign: int = 1, depth: int = 0) -> tuple[float, set[int | None]]:
    """Return the constant part of a sum, and the signs of its other terms."""
    value = _value(signs, node)
    if value is not None:
        return sign * value, set()
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)) and depth < MAX_TERMS:
        first, one = _linear(signs, node.left, sign, depth + 1)
        second, other = _linear(signs, node.right, sign if isinstance(node.op, ast.Add) else -sign, depth + 1)
        return first + second, one | other
    found = signs.of(node)
    return 0.0, {None if found is None else sign * found}


def _bounds(signs: Signs, low: ast.expr, high: ast.expr) -> Iterator[tuple[float, Direction]]:
    first, second = _value(signs, low), _value(signs, high)
    if first is not None and first > 0 and second is None and _infinite(high):
        yield first, ">="
    elif second is not None and second > 0 and (first == 0 or (first is None and _infinite(low))):
        yield second, "<="


def _rows(signs: Signs, call: ast.Call) -> Iterator[tuple[float, Direction]]:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    given |= dict(zip(("c", "A_ub", "b_ub"), call.args, strict=False))
    rows, limits = (signs.resolve(given.get(name)) for name in ("A_ub", "b_ub"))
    if not isinstance(rows, (ast.List, ast.Tuple)) or not isinstance(limits, (ast.List, ast.Tuple)):
        return
    for row, limit in zip(rows.elts, limits.elts, strict=False):
        value, sign = _value(signs, limit), signs.of(signs.resolve(row))
        if value is None or sign is None:
            continue
        if sign == 1 and value > 0:
            yield value, "<="
        elif sign == -1 and value < 0:
            yield -value, ">="


def _scipy_constraint(signs: Signs, node: ast.Dict) -> Iterator[tuple[float, Direction]]:
    """Read {"type": "ineq", "fun": f}, which demands f >= 0."""
    entries = {
        key.value: value for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant)
    }
    kind = entries.get("type")
    if not (isinstance(kind, ast.Constant) and kind.value == "ineq"):
        return
    body = signs.body(entries.get("fun"))
    if body is not None:
        value, terms = _linear(signs, body)
        yield from _limit(-value, terms, False)


def _value(signs: Signs, node: ast.expr) -> float | None:
    """Return the number that an expression is, or that its name stands for."""
    node = signs.resolve(node) or node
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() | float() as value) if abs(value) < 1e15:
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)) if abs(value) < 1e15:
            return -float(value)
    return None


def _infinite(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    name = last_name(node.func if isinstance(node, ast.Call) else node).lower()
    return name in ("inf", "infinity", "float") or (isinstance(node, ast.Constant) and node.value is None)
