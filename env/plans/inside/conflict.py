"""Find an irreducible infeasible subset (IIS) of a recorded model.

The members of an IIS have no solution together, and have one if any member is left out. A member is a constraint or a
bound of a variable: (kind, index, side). These parts of a model are no members; they count as always present:

- linear: that variables are integer
- CP-SAT: intervals that other constraints refer to, 0-1 domains, gaps within domains, unnamed constants, and lower
  bounds that CP-SAT requires (of divisors, sizes and demands)

The method is the deletion filter (Chinneck and Dravnieks 1991) on groups that are halved, after a start by the solver:
HiGHS's IIS of the LP relaxation, or CP-SAT's sufficient assumptions.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any

Member = tuple[str, int, str]
"""Kind ("constraint", "lower" or "upper"), index, and side ("lower", "upper" or "both")."""

_IIS_STRATEGY = 2 + 4  # begin with an elastic LP, end with a deletion filter
_TOLERANCE = 1e-7  # HiGHS's
_FREE = 2**62  # limits of CP-SAT from here on are none
_WIDEST = 2**40
_SHORTEST = 0.05  # seconds for one solve, if that many are left


def conflict(model: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return the members of an IIS, whether it was proven irreducible, the number of solves, and a reason if not."""
    if model["kind"] == "linear" and model["cones"]:
        return _result([], reason="models with cones are not examined")
    begin = time.monotonic()
    examined: Linear | Switches = Switches(model["text"]) if model["kind"] == "cp_sat" else Linear(model)
    search = Search(examined.is_infeasible, begin + seconds)
    kept = examined.start(search.seconds_left() / 2)
    if kept is None or not search.is_infeasible(kept):
        kept = examined.members
        answer = search.is_infeasible(kept, share=0.8)
        if not answer:
            reason = "the model has a solution" if answer is False else f"no result in {seconds:g} s"
            return _result([], search.checked, reason)
    needed: set[Member] = set()
    for group in (_constraints, examined.idle_bounds, _bounds):
        kept = _shrink(kept, group(kept), search, needed)
    if not kept:
        return _result([], search.checked, "the parts that are always present conflict by themselves")
    untested = len(kept) - len(needed)
    reason = f"{untested} of {len(kept)} members could not be tested in time" if untested else ""
    return _result(kept, search.checked, reason)


def _result(members: Iterable[Member], checked: int = 0, reason: str = "") -> dict[str, Any]:
    described = [{"kind": kind, "index": index, "side": side} for kind, index, side in members]
    return {"members": described, "irreducible": not reason, "checked": checked, "reason": reason}


class Search:
    """The solves of one task, with one time limit for all."""

    def __init__(self, is_infeasible: Callable[[list[Member], float], bool | None], end: float) -> None:
        self._is_infeasible = is_infeasible
        self._end = end
        self.checked = 0
        """Number of solves."""

    def seconds_left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    def is_infeasible(self, members: list[Member], share: float = 0.25) -> bool | None:
        """Return whether the members have no solution; None if that was not found in a share of the time left."""
        left = self.seconds_left()
        if not left:
            return None
        self.checked += 1
        return self._is_infeasible(members, max(share * left, min(left, _SHORTEST)))


def _shrink(kept: list[Member], group: list[Member], search: Search, needed: set[Member]) -> list[Member]:
    """Return the members without those of a group that can be left out, and add the needed ones to `needed`.

    A member is needed if the rest without it has a solution. Each smaller rest has one, too.
    """
    pieces = list(_pieces(group, 8))
    while pieces and search.seconds_left():
        piece = pieces.pop(0)
        without = set(piece)
        rest = [member for member in kept if member not in without]
        answer = search.is_infeasible(rest)
        if answer:
            kept = rest
        elif len(piece) > 1:
            pieces[:0] = _pieces(piece, 2)
        elif answer is False:
            needed.update(piece)
    return kept


def _pieces(group: list[Member], number: int) -> Iterator[list[Member]]:
    """Yield at most so many pieces of nearly equal size."""
    size = -(-len(group) // number)
    for first in range(0, len(group), size or 1):
        yield group[first : first + size]


def _constraints(members: list[Member]) -> list[Member]:
    return [member for member in members if member[0] == "constraint"]


def _bounds(members: list[Member]) -> list[Member]:
    return [member for member in members if member[0] != "constraint"]


class Linear:
    """A linear model, solved by HiGHS with some of its members. The objective does not matter."""

    def __init__(self, model: dict[str, Any]) -> None:
        self._model = model
        self.members = [*_sides(model), *_ends(model)]

    def is_infeasible(self, members: list[Member], seconds: float) -> bool | None:
        """Return whether the members have no solution; None if that was not found in time."""
        from . import linear

        part, _, columns = self._part(members)
        if not columns:  # HiGHS does not look at the rows then.
            return any(not _may_be_zero(*limits) for limits in zip(part["row_lower"], part["row_upper"], strict=True))
        status = linear.solve(_loaded(part, seconds))
        return None if status == "open" else status == "infeasible"

    def start(self, seconds: float) -> list[Member] | None:
        """Return HiGHS's IIS of the LP relaxation; None if that has a solution, or if HiGHS gave no IIS in time."""
        from . import linear

        part, rows, columns = self._part(self.members)
        highs = _loaded(part, seconds, relaxed=True)
        if linear.solve(highs) != "infeasible":
            return None
        highs.setOptionValue("iis_strategy", _IIS_STRATEGY)
        highs.setOptionValue("iis_time_limit", seconds)
        _, iis = highs.getIis()
        if not iis.valid_:
            return None
        found: set[Member] = set()
        for number, status in zip(iis.row_index_, iis.row_bound_, strict=True):
            found.update(("constraint", rows[number], side) for side in (*_sides_of(status), "both"))
        for number, status in zip(iis.col_index_, iis.col_bound_, strict=True):
            found.update((side, columns[number], side) for side in _sides_of(status))
        return [member for member in self.members if member in found]

    def idle_bounds(self, members: list[Member]) -> list[Member]:
        """Return the bounds of variables that are in no constraint of the members."""
        used = {column for _, row, _ in _constraints(members) for column in self._entries(row)}
        return [member for member in _bounds(members) if member[1] not in used]

    def _entries(self, row: int) -> dict[int, float]:
        """Return the coefficients of a row by variable."""
        entries: dict[int, float] = {}
        part = slice(*self._model["row_starts"][row : row + 2])
        for column, value in zip(self._model["row_columns"][part], self._model["row_values"][part], strict=True):
            entries[column] = entries.get(column, 0.0) + value
        return entries

    def _part(self, members: list[Member]) -> tuple[dict[str, Any], list[int], list[int]]:
        """Return the model with only these members, and its rows and columns in the whole model."""
        kept, model = set(members), self._model
        rows = sorted({row for _, row, _ in _constraints(members)})
        entries = [self._entries(row) for row in rows]
        columns = sorted({column for row in entries for column in row} | {column for _, column, _ in _bounds(members)})
        place = {column: number for number, column in enumerate(columns)}

        def row_limits(side: str) -> list[float | None]:
            limits = model[f"row_{side}"]
            present = {row for _, row, one in _constraints(members) if one in (side, "both")}
            return [limits[row] if row in present else None for row in rows]

        def bounds(side: str) -> list[float | None]:
            return [model[side][column] if (side, column, side) in kept else None for column in columns]

        part = {
            "maximize": False,
            "offset": 0.0,
            "costs": [0.0] * len(columns),
            "quadratic": [],
            "lower": bounds("lower"),
            "upper": bounds("upper"),
            "integer": [place[column] for column in model["integer"] if column in place],
            "row_lower": row_limits("lower"),
            "row_upper": row_limits("upper"),
            "row_starts": list(accumulate(map(len, entries), initial=0)),
            "row_columns": [place[column] for row in entries for column in row],
            "row_values": [value for row in entries for value in row.values()],
        }
        return part, rows, columns


def _sides(model: dict[str, Any]) -> Iterator[Member]:
    """Yield the limits of rows. Both limits of an equality are one member."""
    for row, (lower, upper) in enumerate(zip(model["row_lower"], model["row_upper"], strict=True)):
        if lower is not None and lower == upper:
            yield "constraint", row, "both"
            continue
        if lower is not None:
            yield "constraint", row, "lower"
        if upper is not None:
            yield "constraint", row, "upper"


def _ends(model: dict[str, Any]) -> Iterator[Member]:
    """Yield the bounds of variables."""
    for side in ("lower", "upper"):
        for column, limit in enumerate(model[side]):
            if limit is not None:
                yield side, column, side


def _may_be_zero(lower: float | None, upper: float | None) -> bool:
    return (lower is None or lower <= _TOLERANCE) and (upper is None or upper >= -_TOLERANCE)


def _sides_of(status: int) -> tuple[str, ...]:
    """Return the sides that HiGHS's `IisBoundStatus` names."""
    return {2: ("lower",), 3: ("upper",), 4: ("lower", "upper")}.get(int(status), ())


def _loaded(part: dict[str, Any], seconds: float, *, relaxed: bool = False) -> Any:
    from . import linear

    highs = linear.loaded(part, seconds, relaxed=relaxed)
    if (highs.getNumCol(), highs.getNumRow()) != (len(part["costs"]), len(part["row_lower"])):
        raise ValueError("HiGHS does not accept the model")
    return highs


class Switches:
    """A CP-SAT model with a literal for each member, which switches it on and off. The objective is left out.

    In OR-Tools 9.15, all kinds of constraints accept enforcement literals. An interval with one more literal would be
    optional for the constraints that refer to it, so those intervals get none. Switching a bound off widens the domain.
    """

    def __init__(self, text: str) -> None:
        from google.protobuf import text_format
        from ortools.sat import cp_model_pb2

        # Parsing in Python first: the library's own parser ends the process at a wrong text.
        proto = text_format.Parse(text, cp_model_pb2.CpModelProto())
        for name in ("objective", "floating_point_objective", "assumptions", "solution_hint", "symmetry"):
            proto.ClearField(name)
        wide = _width(proto)
        for width in (wide, wide // 1000, 0):
            self._literals = dict[Member, int]()
            self.model = self._switched(proto, width)
            problem = self.model.validate()  # such as a possible overflow, if the domains are too wide
            if not problem:
                break
        else:
            raise ValueError(f"CP-SAT does not accept the model: {problem[:200]}")
        self.members = list(self._literals)

    def literal(self, member: Member) -> Any:
        """Return the variable that is 1 if a member is switched on."""
        return self.model.get_bool_var_from_proto_index(self._literals[member])

    def switch(self, members: Iterable[Member], on: bool | None) -> None:
        """Switch members on or off, or let the solver choose (None)."""
        domain = [0, 1] if on is None else [int(on)] * 2
        for member in members:
            values = self.model.proto.variables[self._literals[member]].domain
            values.clear()
            values.extend(domain)

    def solve(self, seconds: float) -> tuple[str, Any]:
        """Solve the model, and return its status (optimal, feasible, infeasible or open) and the solver."""
        from ortools.sat.python import cp_model

        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.max_time_in_seconds = seconds
        status = solver.status_name(solver.solve(self.model)).lower()
        return status if status in ("optimal", "feasible", "infeasible") else "open", solver

    def is_infeasible(self, members: list[Member], seconds: float) -> bool | None:
        """Return whether the members have no solution; None if that was not found in time."""
        self.switch(self.members, False)
        self.switch(members, True)
        status, _ = self.solve(seconds)
        return None if status == "open" else status == "infeasible"

    def start(self, seconds: float) -> list[Member] | None:
        """Return members that CP-SAT found to be enough for a conflict; None if it found none in time."""
        self.switch(self.members, None)
        assumptions = self.model.proto.assumptions
        assumptions.extend(list(self._literals.values()))
        status, solver = self.solve(seconds)
        assumptions.clear()
        if status != "infeasible":
            return None
        enough = set(solver.sufficient_assumptions_for_infeasibility())
        return [member for member, literal in self._literals.items() if literal in enough]

    def idle_bounds(self, members: list[Member]) -> list[Member]:
        """Return no bounds, as the start has left out most of those that do not matter."""
        return []

    def _switched(self, proto: Any, width: int) -> Any:
        """Return the model with literals. width: of domains without bounds; 0 to keep all domains."""
        from google.protobuf import text_format
        from ortools.sat.python import cp_model

        switched = type(proto)()
        switched.CopyFrom(proto)
        referred = set(_referred_intervals(proto))
        for number, constraint in enumerate(proto.constraints):
            if number not in referred and constraint.WhichOneof("constraint") not in (None, "dummy_constraint"):
                literal = self._new_literal(switched, ("constraint", number, "both"))
                switched.constraints[number].enforcement_literal.append(literal)
        required = set(_required_lower_bounds(proto))
        for number, variable in enumerate(proto.variables):
            ends = (variable.domain[0], variable.domain[-1]) if variable.domain else (0, 0)
            if width and (variable.name or ends[0] < ends[1]):
                lowest, highest = (0, 1) if ends[0] >= 0 and ends[1] <= 1 else (-width, width)
                if lowest < ends[0] and number not in required:
                    self._switch_bound(switched, number, "lower", lowest, highest)
                if highest > ends[1]:
                    self._switch_bound(switched, number, "upper", lowest, highest)
        model = cp_model.CpModel()
        model.proto.parse_text_format(text_format.MessageToString(switched))
        return model

    def _switch_bound(self, switched: Any, number: int, side: str, lowest: int, highest: int) -> None:
        """Replace a bound of a variable by a constraint with a literal."""
        place, wide = (0, lowest) if side == "lower" else (-1, highest)
        domain = switched.variables[number].domain
        limit, domain[place] = domain[place], wide
        constraint = switched.constraints.add()
        constraint.enforcement_literal.append(self._new_literal(switched, (side, number, side)))
        constraint.linear.vars.append(number)
        constraint.linear.coeffs.append(1)
        constraint.linear.domain.extend([limit, highest] if side == "lower" else [lowest, limit])

    def _new_literal(self, switched: Any, member: Member) -> int:
        literal = self._literals[member] = len(switched.variables)
        switched.variables.add().domain.extend([0, 1])
        return literal


def _referred_intervals(proto: Any) -> Iterator[int]:
    for constraint in proto.constraints:
        kind = constraint.WhichOneof("constraint")
        if kind in ("no_overlap", "cumulative"):
            yield from getattr(constraint, kind).intervals
        elif kind == "no_overlap_2d":
            yield from constraint.no_overlap_2d.x_intervals
            yield from constraint.no_overlap_2d.y_intervals


def _required_lower_bounds(proto: Any) -> Iterator[int]:
    """Yield the variables without whose lower bounds CP-SAT rejects the model."""
    for constraint in proto.constraints:
        kind = constraint.WhichOneof("constraint")
        if kind in ("int_div", "int_mod"):
            expressions = getattr(constraint, kind).exprs[1:]
        elif kind == "interval":
            expressions = [constraint.interval.size]
        elif kind == "cumulative":
            expressions = constraint.cumulative.demands
        else:
            continue
        for expression in expressions:
            yield from (reference if reference >= 0 else -reference - 1 for reference in expression.vars)


def _width(proto: Any) -> int:
    """Return 10 times the largest number that a variable or a linear constraint can reach, up to a limit.

    Far wider domains can make CP-SAT slow: some conflicts are found by raising a lower bound step by step.
    """
    sizes = [max(map(abs, variable.domain), default=0) for variable in proto.variables]
    largest = max(sizes, default=0)
    for constraint in proto.constraints:
        body = constraint.linear
        terms = zip(body.vars, body.coeffs, strict=False)
        reached = sum(abs(a) * sizes[i if i >= 0 else -i - 1] for i, a in terms if -len(sizes) <= i < len(sizes))
        largest = max(largest, reached, *(abs(limit) for limit in body.domain if abs(limit) < _FREE))
    return min(10 * largest, _WIDEST)
