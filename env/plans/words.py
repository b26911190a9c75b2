"""Put constraints and bounds of recorded models into words, with the program's names.

row_text(solve, model, 0)          "wood: 5 chairs + 20 tables <= 400"
constraint_text(solve, proto, 3)   "rest: x - 2 y >= 4 if on and not late"
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from storm_calm.env.plans.record import LinearModel, RecordedSolve

MAX_TERMS = 8
"""Terms of a row, or parts of a list, that are shown."""
UNLIMITED = 2**62
"""Limits of CP-SAT from here on count as infinite."""
_EXACT = 1e15

Side = Literal["lower", "upper", "both"]


def number_text(value: float) -> str:
    """Return a number with at most 6 significant digits; a whole number below 1e15 in full."""
    if abs(value) < _EXACT and value == int(value):
        return str(int(value))
    return f"{value:.6g}"


def row_text(solve: RecordedSolve, model: LinearModel, number: int, side: Side = "both") -> str:
    """Return a row with its name. side: the limits to show."""
    lower = model.row_lower[number] if side != "upper" else None
    upper = model.row_upper[number] if side != "lower" else None
    terms = _sum([(a, solve.variable(i)) for i, a in model.row(number)])
    return f"{solve.constraint(number)}: {_limited(terms, lower, upper)}"


def bound_text(name: str, side: Literal["lower", "upper"], limit: float) -> str:
    """Return a bound of a variable, such as "tables >= 19"."""
    return f"{name} {'>=' if side == 'lower' else '<='} {number_text(limit)}"


def constraint_text(solve: RecordedSolve, proto: Any, number: int) -> str:
    """Return a constraint of a `CpModelProto` with its name. Never raises for a malformed one."""
    constraint = proto.constraints[number]
    kind = constraint.WhichOneof("constraint") or "dummy_constraint"
    names = _Names(solve, proto)
    write = _KINDS.get(kind)
    text = write(getattr(constraint, kind), names) if write else kind
    conditions = [names.literal(one) for one in constraint.enforcement_literal]
    condition = f" if {_joined(conditions, ' and ')}" if conditions else ""
    return f"{solve.constraint(number)}: {text}{condition}"


def _sum(terms: Sequence[tuple[float, str]], constant: float = 0) -> str:
    """Return a sum of coefficients and names, shortened to MAX_TERMS."""
    terms = [(a, name) for a, name in terms if a]
    text = ""
    for a, name in terms[:MAX_TERMS]:
        size = "" if abs(a) == 1 else f"{number_text(abs(a))} "
        sign = ("-" if a < 0 else "") if not text else (" - " if a < 0 else " + ")
        text += f"{sign}{size}{name}"
    if len(terms) > MAX_TERMS:
        text += f" + ... ({len(terms)} terms)"
    if not text:
        return number_text(constant)
    return f"{text} {'-' if constant < 0 else '+'} {number_text(abs(constant))}" if constant else text


def _limited(terms: str, lower: float | None, upper: float | None) -> str:
    if lower is None and upper is None:
        return f"{terms} without a limit"
    if lower is None:
        return f"{terms} <= {number_text(upper or 0)}"
    if upper is None:
        return f"{terms} >= {number_text(lower)}"
    if lower == upper:
        return f"{terms} = {number_text(lower)}"
    return f"{number_text(lower)} <= {terms} <= {number_text(upper)}"


def _in_domain(terms: str, domain: Sequence[int]) -> str:
    """Return that a sum is in a domain of CP-SAT, a list of the ends of ranges."""
    ranges = list(zip(domain[::2], domain[1::2], strict=False))
    if len(ranges) == 1:
        lower, upper = (None if abs(end) >= UNLIMITED else end for end in ranges[0])
        return _limited(terms, lower, upper)
    if len(ranges) == 2:
        (first, before), (after, last) = ranges
        if abs(first) >= UNLIMITED and abs(last) >= UNLIMITED and after - before == 2:
            return f"{terms} != {before + 1}"
    return f"{terms} in {_joined([_range(*one) for one in ranges])}"


def _range(lower: int, upper: int) -> str:
    if lower == upper:
        return str(lower)
    return f"{'...' if -lower >= UNLIMITED else lower} to {'...' if upper >= UNLIMITED else upper}"


def _joined(parts: Sequence[str], between: str = ", ") -> str:
    """Return a list, shortened to MAX_TERMS."""
    more = f"{between}... ({len(parts)} in all)" if len(parts) > MAX_TERMS else ""
    return between.join(parts[:MAX_TERMS]) + more


class _Names:
    """The texts of variables, literals and expressions of a `CpModelProto`."""

    def __init__(self, solve: RecordedSolve, proto: Any) -> None:
        self._solve = solve
        self._variables = proto.variables

    def constant(self, number: int) -> int | None:
        """Return the value of an unnamed variable that is fixed: CP-SAT's form of a constant."""
        variable = self._variables[number] if number < len(self._variables) else None
        if variable is None or variable.name or len(set(variable.domain)) != 1:
            return None
        return int(variable.domain[0])

    def literal(self, literal: int) -> str:
        number = literal if literal >= 0 else -literal - 1
        value = self.constant(number)
        if value is not None:
            return "true" if (value == 1) == (literal >= 0) else "false"
        return f"{'' if literal >= 0 else 'not '}{self._solve.variable(number)}"

    def sum(self, variables: Iterable[int], coefficients: Iterable[int], offset: int = 0) -> str:
        terms = []
        for reference, a in zip(variables, coefficients, strict=False):
            # A negative reference is the negation of a variable.
            number, a = (reference, a) if reference >= 0 else (-reference - 1, -a)
            value = self.constant(number)
            if value is None:
                terms.append((a, self._solve.variable(number)))
            else:
                offset += a * value
        return _sum(terms, offset)

    def expression(self, expression: Any) -> str:
        return self.sum(expression.vars, expression.coeffs, expression.offset)

    def operation(self, body: Any, operator: str) -> str:
        """Return an operation on the expressions of a constraint, with its target."""
        parts = [self.expression(one) for one in body.exprs]
        operands = [f"({part})" if " " in part else part for part in parts]
        return f"{self.expression(body.target)} = {_joined(operands, f' {operator} ')}"

    def literals(self, literals: Iterable[int], between: str = ", ") -> str:
        return _joined([self.literal(one) for one in literals], between) or "no literal"


def _interval(body: Any, names: _Names) -> str:
    start, size, end = map(names.expression, (body.start, body.size, body.end))
    return f"interval from {start} to {end}, size {size}"


def _element(body: Any, names: _Names) -> str:
    if body.exprs:
        index, target = names.expression(body.linear_index), names.expression(body.linear_target)
    else:
        index, target = names.sum([body.index], [1]), names.sum([body.target], [1])
    return f"{target} = element {index} of {len(body.exprs) or len(body.vars)} values"


def _maximum(body: Any, names: _Names) -> str:
    return f"{names.expression(body.target)} = max({_joined([names.expression(one) for one in body.exprs])})"


def _table(body: Any, names: _Names) -> str:
    width = len(body.exprs) or len(body.vars)
    words = "forbidden" if body.negated else "allowed"
    return f"table of {len(body.values) // max(1, width)} {words} rows for {width} expressions"


_KINDS: dict[str, Callable[[Any, _Names], str]] = {
    "linear": lambda body, names: _in_domain(names.sum(body.vars, body.coeffs), body.domain),
    "bool_or": lambda body, names: names.literals(body.literals, " or "),
    "bool_and": lambda body, names: names.literals(body.literals, " and "),
    "at_most_one": lambda body, names: f"at most one of {names.literals(body.literals)}",
    "exactly_one": lambda body, names: f"exactly one of {names.literals(body.literals)}",
    "bool_xor": lambda body, names: f"an odd number of {names.literals(body.literals)}",
    "int_div": lambda body, names: names.operation(body, "//"),
    "int_mod": lambda body, names: names.operation(body, "%"),
    "int_prod": lambda body, names: names.operation(body, "*"),
    "lin_max": _maximum,
    "all_diff": lambda body, names: f"all_diff of {len(body.exprs)} expressions",
    "element": _element,
    "circuit": lambda body, names: f"circuit of {len(body.literals)} arcs",
    "routes": lambda body, names: f"routes of {len(body.literals)} arcs",
    "table": _table,
    "automaton": lambda body, names: f"automaton of {len(body.exprs) or len(body.vars)} expressions",
    "inverse": lambda body, names: f"inverse of {len(body.f_direct)} variables",
    "reservoir": lambda body, names: (
        f"reservoir of {len(body.time_exprs)} events, level {body.min_level} to {body.max_level}"
    ),
    "interval": _interval,
    "no_overlap": lambda body, names: f"no_overlap of {len(body.intervals)} intervals",
    "no_overlap_2d": lambda body, names: f"no_overlap_2d of {len(body.x_intervals)} rectangles",
    "cumulative": lambda body, names: (
        f"cumulative of {len(body.intervals)} intervals, capacity {names.expression(body.capacity)}"
    ),
}
