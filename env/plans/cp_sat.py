"""The objective and the violated constraints of a solution in a CP-SAT model, computed from the text of its proto.

The meaning of each constraint is that of OR-Tools' `cp_model.proto`. All arithmetic is on whole numbers, so a
constraint is kept or violated; without a tolerance.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache, partial
from itertools import combinations, pairwise
from typing import Any

from storm_calm.env.plans.feasibility import Violation
from storm_calm.env.plans.record import CpSatModel, RecordedSolve

MAX_PAIRS = 1_000_000
"""Pairs of rectangles that are compared."""


class MalformedModelError(ValueError):
    """The text is not a model of CP-SAT."""


class TooLargeError(Exception):
    """Checking the model would take too long."""


@lru_cache(maxsize=4)  # Checks and explanations of one solve follow each other, and parsing is the slowest part.
def parse(model: CpSatModel) -> Any:
    """Return the model as a `CpModelProto`, which must not be changed. Raises MalformedModelError."""
    from google.protobuf import text_format
    from ortools.sat import cp_model_pb2

    try:
        return text_format.Parse(model.text, cp_model_pb2.CpModelProto())
    except (text_format.ParseError, ValueError, RecursionError) as error:
        raise MalformedModelError(f"{error}"[:200]) from None


def objective(proto: Any, values: Sequence[float]) -> float | None:
    """Return the objective value of a solution; None without an objective. Raises MalformedModelError."""
    x = list(map(round, values))
    try:
        if proto.HasField("floating_point_objective"):
            goal = proto.floating_point_objective
            return float(goal.offset + sum(a * _value(x, i) for i, a in zip(goal.vars, goal.coeffs, strict=True)))
        if proto.HasField("objective"):
            goal = proto.objective
            total = goal.offset + sum(a * _value(x, i) for i, a in zip(goal.vars, goal.coeffs, strict=True))
            return float(total * (goal.scaling_factor or 1.0))
    except (IndexError, ValueError) as error:
        raise MalformedModelError(f"objective: {error}") from None
    return None


def maximizes(proto: Any) -> bool:
    """Return whether the objective is maximized."""
    if proto.HasField("floating_point_objective"):
        return bool(proto.floating_point_objective.maximize)
    return bool(proto.objective.scaling_factor < 0)


def violations(solve: RecordedSolve, proto: Any, values: Sequence[float]) -> Iterator[Violation]:
    """Yield the domains and constraints that `values` do not keep. Raises MalformedModelError or TooLargeError."""
    if len(values) != len(proto.variables):
        raise MalformedModelError(f"{len(values)} values for {len(proto.variables)} variables")
    x = list(map(round, values))
    for number, value in enumerate(values):
        if value != x[number]:
            yield Violation(kind="integrality", name=solve.variable(number), amount=abs(value - x[number]))
    span = cache(partial(_span, proto, x))
    for kind, parts, name in (
        ("bound", proto.variables, solve.variable),
        ("constraint", proto.constraints, solve.constraint),
    ):
        for number, part in enumerate(parts):
            try:
                amount = _distance(x[number], part.domain) if kind == "bound" else _violation(part, x, span)
            except (IndexError, ValueError, ZeroDivisionError) as error:
                raise MalformedModelError(f"{name(number)}: {error}") from None
            if amount:
                yield Violation(kind=kind, name=name(number), amount=amount)


Spans = Callable[[int], tuple[int, int] | None]
"""Returns start and end of an interval by its number; None if it is not performed."""


def _violation(constraint: Any, x: list[int], span: Spans) -> float:
    """Return by how much a constraint is violated, 1 for one without a measure; 0 if it is kept or not enforced.

    span: computes each interval only once, however many constraints refer to it.
    """
    if not _all_true(x, constraint.enforcement_literal):
        return 0.0
    kind = constraint.WhichOneof("constraint")
    if kind is None or kind == "dummy_constraint":
        return 0.0
    body = getattr(constraint, kind)
    if kind == "linear":
        total = sum(a * _value(x, i) for i, a in zip(body.vars, body.coeffs, strict=True))
        return _distance(total, body.domain)
    if kind in _PACKINGS:
        return float(not _PACKINGS[kind](body, x, span))
    if kind not in _KINDS:
        raise ValueError(f"{kind} is unknown")
    return float(not _KINDS[kind](body, x))


def _value(x: list[int], reference: int) -> int:
    """Return the value of a variable; a negative reference is the negation of variable -reference - 1."""
    return x[reference] if reference >= 0 else -x[-reference - 1]


def _true(x: list[int], literal: int) -> bool:
    return x[literal] == 1 if literal >= 0 else x[-literal - 1] == 0


def _all_true(x: list[int], literals: Iterable[int]) -> bool:
    return all(_true(x, literal) for literal in literals)


def _count(x: list[int], literals: Iterable[int]) -> int:
    return sum(_true(x, literal) for literal in literals)


def _of(x: list[int], expression: Any) -> int:
    """Return the value of a linear expression."""
    terms = zip(expression.vars, expression.coeffs, strict=True)
    return int(expression.offset) + sum(a * _value(x, i) for i, a in terms)


def _values(x: list[int], expressions: Iterable[Any], variables: Iterable[int] = ()) -> list[int]:
    """Return the values of expressions, or of variables in models of versions that had no expressions there."""
    return [_of(x, one) for one in expressions] or [_value(x, one) for one in variables]


def _in_domain(value: int, domain: Sequence[int]) -> bool:
    return any(low <= value <= high for low, high in zip(domain[::2], domain[1::2], strict=True))


def _distance(value: int, domain: Sequence[int]) -> float:
    """Return the distance of a value to the nearest one in a domain."""
    if _in_domain(value, domain):
        return 0.0
    return float(min((abs(value - side) for side in domain), default=1))


def _quotient(a: int, b: int) -> int:
    """Divide and round towards zero."""
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _divides(body: Any, x: list[int]) -> bool:
    a, b = _values(x, body.exprs)
    return _of(x, body.target) == _quotient(a, b)


def _leaves(body: Any, x: list[int]) -> bool:
    a, b = _values(x, body.exprs)
    return _of(x, body.target) == a - b * _quotient(a, b)


def _multiplies(body: Any, x: list[int]) -> bool:
    product = 1
    for factor in _values(x, body.exprs):
        product *= factor
    return _of(x, body.target) == product


def _is_element(body: Any, x: list[int]) -> bool:
    if body.exprs:
        index, target = _of(x, body.linear_index), _of(x, body.linear_target)
        return 0 <= index < len(body.exprs) and _of(x, body.exprs[index]) == target
    index = _value(x, body.index)
    return 0 <= index < len(body.vars) and _value(x, body.vars[index]) == _value(x, body.target)


def _arcs(body: Any, x: list[int]) -> list[tuple[int, int]]:
    arcs = zip(body.tails, body.heads, body.literals, strict=True)
    return [(tail, head) for tail, head, literal in arcs if _true(x, literal)]


def _is_circuit(body: Any, x: list[int]) -> bool:
    """Return whether the chosen arcs visit each node once, on one circuit; a loop at a node leaves it out."""
    chosen = _arcs(body, x)
    following = dict(chosen)
    nodes = set(body.tails) | set(body.heads)
    if len(chosen) != len(nodes) or set(following) != nodes or set(following.values()) != nodes:
        return False
    on_circuit = [node for node in nodes if following[node] != node]
    return not on_circuit or len(_walk(following, on_circuit[0])) == len(on_circuit)


def _walk(following: dict[int, int], start: int) -> list[int]:
    nodes = [start]
    while (after := following[nodes[-1]]) != start:
        nodes.append(after)
    return nodes


def _are_routes(body: Any, x: list[int]) -> bool:
    """Return whether the chosen arcs are circuits through node 0 that visit each other node once; loops leave out."""
    chosen = _arcs(body, x)
    others = (set(body.tails) | set(body.heads)) - {0}
    if sorted(tail for tail, _ in chosen if tail) != sorted(others):
        return False
    if sorted(head for _, head in chosen if head) != sorted(others):
        return False
    following = {tail: head for tail, head in chosen if tail}
    reached = {tail for tail, head in chosen if tail == head}
    for tail, head in chosen:
        node = head if tail == 0 else 0
        while node:
            reached.add(node)
            node = following[node]
    return reached >= others


def _is_in_table(body: Any, x: list[int]) -> bool:
    row = _values(x, body.exprs, body.vars)
    found = bool(row) and any(list(part) == row for part in _rows(body.values, len(row)))
    return found != bool(body.negated)


def _rows(values: Sequence[int], width: int) -> Iterator[Sequence[int]]:
    return (values[start : start + width] for start in range(0, len(values), width))


def _is_accepted(body: Any, x: list[int]) -> bool:
    steps = zip(body.transition_tail, body.transition_label, body.transition_head, strict=True)
    following = {(tail, label): head for tail, label, head in steps}
    state: int | None = body.starting_state
    for label in _values(x, body.exprs, body.vars):
        state = following.get((state, label)) if state is not None else None
    return state in body.final_states


def _are_inverse(body: Any, x: list[int]) -> bool:
    direct, inverse = ([_value(x, one) for one in side] for side in (body.f_direct, body.f_inverse))
    return all(0 <= there < len(inverse) and inverse[there] == here for here, there in enumerate(direct))


def _keeps_level(body: Any, x: list[int]) -> bool:
    times = _values(x, body.time_exprs)
    changes = _values(x, body.level_changes)
    active = [_true(x, one) for one in body.active_literals] or [True] * len(times)
    events: dict[int, int] = {}
    for time, change, counts in zip(times, changes, active, strict=True):
        if counts:
            events[time] = events.get(time, 0) + change
    level = 0
    for time in sorted(events):
        level += events[time]
        if not body.min_level <= level <= body.max_level:
            return False
    return True


def _is_interval(body: Any, x: list[int]) -> bool:
    size = _of(x, body.size)
    return size >= 0 and _of(x, body.start) + size == _of(x, body.end)


_KINDS: dict[str, Callable[[Any, list[int]], bool]] = {
    "bool_or": lambda body, x: _count(x, body.literals) > 0,
    "bool_and": lambda body, x: _all_true(x, body.literals),
    "at_most_one": lambda body, x: _count(x, body.literals) <= 1,
    "exactly_one": lambda body, x: _count(x, body.literals) == 1,
    "bool_xor": lambda body, x: _count(x, body.literals) % 2 == 1,
    "int_div": _divides,
    "int_mod": _leaves,
    "int_prod": _multiplies,
    "lin_max": lambda body, x: _of(x, body.target) == max(_values(x, body.exprs)),
    "all_diff": lambda body, x: len(set(_values(x, body.exprs))) == len(body.exprs),
    "element": _is_element,
    "circuit": _is_circuit,
    "routes": _are_routes,
    "table": _is_in_table,
    "automaton": _is_accepted,
    "inverse": _are_inverse,
    "reservoir": _keeps_level,
    "interval": _is_interval,
}


def _span(proto: Any, x: list[int], number: int) -> tuple[int, int] | None:
    """Return start and end of an interval; None if it is not performed."""
    constraint = proto.constraints[number]
    if not _all_true(x, constraint.enforcement_literal):
        return None
    return _of(x, constraint.interval.start), _of(x, constraint.interval.end)


def _do_not_overlap(body: Any, x: list[int], span: Spans) -> bool:
    spans = sorted(filter(None, map(span, body.intervals)))
    return all(before[1] <= after[0] for before, after in pairwise(spans))


def _do_not_overlap_2d(body: Any, x: list[int], span: Spans) -> bool:
    sides = zip(body.x_intervals, body.y_intervals, strict=True)
    spans = [(span(one), span(other)) for one, other in sides]
    boxes = [(one, other) for one, other in spans if one is not None and other is not None]
    if len(boxes) ** 2 > MAX_PAIRS:
        raise TooLargeError(f"{len(boxes)} rectangles are too many to compare")
    return all(_apart(a[0], b[0]) or _apart(a[1], b[1]) for a, b in combinations(boxes, 2))


def _apart(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[1] <= other[0] or other[1] <= one[0]


def _keeps_capacity(body: Any, x: list[int], span: Spans) -> bool:
    """Return whether the demands of the intervals at each time are within the capacity."""
    changes: dict[int, int] = {}
    for number, demand in zip(body.intervals, body.demands, strict=True):
        performed = span(number)
        if performed is not None and performed[0] < performed[1]:
            amount = _of(x, demand)
            changes[performed[0]] = changes.get(performed[0], 0) + amount
            changes[performed[1]] = changes.get(performed[1], 0) - amount
    used, capacity = 0, _of(x, body.capacity)
    for time in sorted(changes):
        used += changes[time]
        if used > capacity:
            return False
    return capacity >= 0


_PACKINGS: dict[str, Callable[[Any, list[int], Spans], bool]] = {
    "no_overlap": _do_not_overlap,
    "no_overlap_2d": _do_not_overlap_2d,
    "cumulative": _keeps_capacity,
}
