"""A recorded linear or quadratic model in mathematical notation, as trees of MathML.

for line in notation(solve).lines:
    print(line.name, line.math)

A tree is a text or [tag, children, attributes], as in the pages of this project. Names of programs are texts in it, so
a name cannot be markup.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from storm_calm.env.plans.record import LinearModel, RecordedSolve
from storm_calm.env.plans.variable_groups import split_name
from storm_calm.env.plans.words import number_text

MAX_ROWS = 40
"""Constraints that are written."""
MAX_TERMS = 12
"""Terms of a sum that are written."""

Tree = str | list[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class NotationLine:
    """The objective, a constraint, or the domain of variables."""

    name: str
    """The name of the constraint, "objective" or "domain"."""
    math: list[Any]
    """Its MathML element "math" as a tree."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notation:
    """A model in mathematical notation."""

    lines: tuple[NotationLine, ...] = ()
    left_out: int = 0
    """Constraints that are not written."""


def notation(solve: RecordedSolve) -> Notation:
    """Return the notation of a linear or quadratic model; empty for other models."""
    model = solve.model
    if not isinstance(model, LinearModel):
        return Notation()
    names = [_variable(solve.variable(i)) for i in range(len(solve.variables))]
    lines = [NotationLine(name="objective", math=_objective(model, names))]
    rows = len(model.row_lower)
    for number in range(min(rows, MAX_ROWS)):
        terms = _sum([(a, names[i]) for i, a in model.row(number)])
        limited = _limited(terms, model.row_lower[number], model.row_upper[number])
        lines.append(NotationLine(name=solve.constraint(number), math=_math(limited)))
    lines += [NotationLine(name="domain", math=_math(domain)) for domain in _domains(solve, model)]
    return Notation(lines=tuple(lines), left_out=max(0, rows - MAX_ROWS))


def _math(children: Sequence[Tree]) -> list[Any]:
    return ["math", list(children), {"display": "block"}]


def _variable(name: str) -> Tree:
    base, indices = split_name(name)
    if not indices:
        return ["mi", [name]]
    below: list[Tree] = []
    for index in indices:
        below += [["mo", [","]]] * bool(below) + [["mi", [index]]]
    return ["msub", [["mi", [base]], ["mrow", below]]]


def _objective(model: LinearModel, names: Sequence[Tree]) -> list[Any]:
    terms = [(a, names[i]) for i, a in enumerate(model.costs) if a]
    terms += [(a, _product(names[i], names[j], square=i == j)) for i, j, a in model.quadratic if a]
    goal: Tree = ["mi", ["max" if model.maximize else "min"]]
    return _math([goal, ["mspace", [], {"width": "1em"}], *_sum(terms, model.offset)])


def _product(one: Tree, other: Tree, *, square: bool) -> Tree:
    return ["msup", [one, ["mn", ["2"]]]] if square else ["mrow", [one, other]]


def _sum(terms: Sequence[tuple[float, Tree]], constant: float = 0.0) -> list[Tree]:
    """Return a sum of coefficients and variables, shortened to MAX_TERMS."""
    found: list[Tree] = []
    for a, variable in terms[:MAX_TERMS]:
        sign = "\u2212" if a < 0 else "+"
        if found or a < 0:
            found.append(["mo", [sign], {} if found else {"form": "prefix"}])
        if abs(a) != 1:
            found += [["mn", [number_text(abs(a))]], ["mspace", [], {"width": "0.17em"}]]
        found.append(variable)
    if len(terms) > MAX_TERMS:
        found += [["mo", ["+"]], ["mo", ["\u2026"]], ["mtext", [f" ({len(terms)} terms)"]]]
    if constant or not found:
        found += [["mo", ["\u2212" if constant < 0 else "+"]]] if found else []
        found.append(["mn", [number_text(abs(constant) if len(found) else constant)]])
    return found


def _limited(terms: list[Tree], lower: float | None, upper: float | None) -> list[Tree]:
    if lower is None and upper is None:
        return [*terms, ["mtext", [" without a limit"]]]
    if lower is not None and lower == upper:
        return [*terms, ["mo", ["="]], _number(lower)]
    before = [_number(lower), ["mo", ["\u2264"]]] if lower is not None and upper is not None else []
    if upper is not None:
        return [*before, *terms, ["mo", ["\u2264"]], _number(upper)]
    return [*terms, ["mo", ["\u2265"]], _number(lower or 0.0)]


def _number(value: float) -> Tree:
    text = number_text(abs(value))
    return ["mn", [text]] if value >= 0 else ["mrow", [["mo", ["\u2212"], {"form": "prefix"}], ["mn", [text]]]]


def _domains(solve: RecordedSolve, model: LinearModel) -> Iterator[list[Tree]]:
    """Yield the domains, each with the base names of its variables."""
    integer = set(model.integer)
    found: Counter[tuple[str, float | None, float | None, bool]] = Counter()
    for i, (low, high) in enumerate(zip(model.lower, model.upper, strict=True)):
        found[split_name(solve.variable(i))[0], low, high, i in integer] += 1
    by_domain: dict[tuple[float | None, float | None, bool], list[str]] = {}
    for base, low, high, whole in found:
        by_domain.setdefault((low, high, whole), []).append(base)
    for (low, high, whole), bases in list(by_domain.items())[:MAX_TERMS]:
        listed: list[Tree] = []
        for base in bases[:MAX_TERMS]:
            listed += [["mo", [","]]] * bool(listed) + [["mi", [base]]]
        if len(bases) > MAX_TERMS:
            listed += [["mo", [","]], ["mo", ["\u2026"]]]
        if whole and (low, high) == (0, 1):
            yield [*listed, ["mo", ["\u2208"]], ["mtext", ["{0, 1}"]]]
            continue
        yield [*_limited(listed, low, high), *([["mtext", [", whole"]]] if whole else [])]
