"""Explain an infeasible model: which of its limits conflict, and which least change makes it feasible.

    conflict = find_conflict(solve, sandbox)
    [member.text for member in conflict.members]    # "wood: 5 chairs + 20 tables <= 400", "tables >= 19", ...
    cheapest_relaxation(solve, sandbox).changes     # wood by 100

The models are solved in a process of the sandbox, whose result is validated here.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from storm_calm.env.plans import cp_sat, words
from storm_calm.env.plans.record import CpSatModel, LinearModel, RecordedSolve
from storm_calm.env.plans.solver_process import run_task
from storm_calm.env.serialize import from_json
from storm_calm.sandbox import Sandbox

Kind = Literal["constraint", "lower", "upper"]
Side = words.Side
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A constraint, or a bound of a variable."""

    kind: Kind
    """"lower" and "upper" are bounds."""
    index: int
    """The position of the constraint or the variable in the model."""
    side: Side
    """The limit of a constraint; "both" for an equality and for a whole constraint of CP-SAT."""
    name: str
    """The program's name of the constraint or the variable, or one made from its number."""
    text: str
    """The limit in words, such as "wood: 5 chairs + 20 tables <= 400"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """Members of a model that have no solution together."""

    members: tuple[Member, ...] = ()
    """Empty if no conflict was found, or if the always present parts of a CP-SAT model conflict by themselves."""
    irreducible: bool = False
    """Whether the members have a solution if any of them is left out."""
    checked: int = 0
    """Number of solves."""
    integer: tuple[str, ...] = ()
    """Variables in the members of a linear model that must be whole. This counts as always present."""
    reason: str = ""
    """Why there is no conflict, or why it is not proven irreducible."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitChange:
    """A limit to change."""

    member: Member
    """The limit as it is. Its side is never "both"."""
    amount: float
    """By how much to lower a lower limit, or to raise an upper one; positive."""
    text: str
    """The change in words, such as "wood: 5 chairs + 20 tables <= 400, with 500 instead of 400"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Relaxation:
    """Changes that make a model feasible."""

    status: Literal["optimal", "open"]
    """optimal: no cheaper ones exist. open: not proven, or nothing was found."""
    changes: tuple[LimitChange, ...] = ()
    """The changes of a linear model."""
    dropped: tuple[Member, ...] = ()
    """The constraints to drop from a CP-SAT model."""
    cost: float = 0.0
    """Sum of amount / max(1, |limit|) of the changes, or the number of dropped constraints."""
    reason: str = ""
    """Why the status is open."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _FoundMember:
    kind: Kind
    index: int
    side: Side


@dataclass(frozen=True, kw_only=True, slots=True)
class _FoundConflict:
    """The result of the task "conflict"."""

    members: tuple[_FoundMember, ...]
    irreducible: bool
    checked: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _FoundChange:
    kind: Kind
    index: int
    side: Literal["lower", "upper"]
    amount: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _FoundRelaxation:
    """The result of the task "relaxation"."""

    status: Literal["optimal", "open"]
    changes: tuple[_FoundChange, ...]
    dropped: tuple[int, ...]
    cost: float
    reason: str


def find_conflict(solve: RecordedSolve, sandbox: Sandbox, seconds: float = 5.0) -> Conflict:
    """Return limits of an infeasible model that conflict, none of which can be left out.

    seconds: time limit of all solves. Raises SandboxUnavailableError if the sandbox fails.
    """
    try:
        limits = _limits(solve)
        found = _run(_FoundConflict, solve, sandbox, "conflict", seconds)
        members = tuple(limits.member(one.kind, one.index, one.side) for one in found.members)
        _check_distinct(members)
    except _NoResultError as error:
        return Conflict(reason=str(error))
    return Conflict(
        members=members,
        irreducible=found.irreducible,
        checked=found.checked,
        integer=limits.integer(members),
        reason=found.reason,
    )


def cheapest_relaxation(solve: RecordedSolve, sandbox: Sandbox, seconds: float = 5.0) -> Relaxation:
    """Return the cheapest changes that make an infeasible model feasible; none for a feasible one.

    Linear models: changes of limits. CP-SAT models: the fewest constraints to drop. seconds: time limit of the solver.
    Raises SandboxUnavailableError if the sandbox fails.
    """
    try:
        limits = _limits(solve)
        found = _run(_FoundRelaxation, solve, sandbox, "relaxation", seconds)
        changes = tuple(limits.change(one) for one in found.changes)
        dropped = tuple(limits.member("constraint", index, "both") for index in found.dropped)
        _check_distinct([change.member for change in changes])
        _check_distinct(dropped)
    except _NoResultError as error:
        return Relaxation(status="open", reason=str(error))
    return Relaxation(status=found.status, changes=changes, dropped=dropped, cost=found.cost, reason=found.reason)


class _NoResultError(Exception):
    """There is nothing to explain, with the reason."""


class _LinearLimits:
    """The limits of a linear model, in words."""

    def __init__(self, solve: RecordedSolve, model: LinearModel) -> None:
        self._solve = solve
        self._model = model

    def member(self, kind: Kind, index: int, side: Side) -> Member:
        model, solve = self._model, self._solve
        limits = {
            "constraint": {"lower": model.row_lower, "upper": model.row_upper},
            "lower": {"lower": model.lower},
            "upper": {"upper": model.upper},
        }[kind]
        sides = ("lower", "upper") if side == "both" else (side,)
        if not all(one in limits and 0 <= index < len(limits[one]) and limits[one][index] is not None for one in sides):
            raise _NoResultError(_unknown(kind, index))
        if kind == "constraint":
            text = words.row_text(solve, model, index, side)
            return Member(kind=kind, index=index, side=side, name=solve.constraint(index), text=text)
        name = solve.variable(index)
        text = words.bound_text(name, kind, limits[kind][index] or 0.0)
        return Member(kind=kind, index=index, side=side, name=name, text=text)

    def change(self, found: _FoundChange) -> LimitChange:
        if found.amount <= 0:
            raise _NoResultError("the result of the examination is malformed: a change must be positive")
        member = self.member(found.kind, found.index, found.side)
        model, index = self._model, found.index
        rows = found.kind == "constraint"
        if found.side == "lower":
            limit = (model.row_lower if rows else model.lower)[index] or 0.0
            changed = limit - found.amount
        else:
            limit = (model.row_upper if rows else model.upper)[index] or 0.0
            changed = limit + found.amount
        # For an equality, show the equality.
        whole = words.row_text(self._solve, model, index) if rows else member.text
        text = f"{whole}, with {words.number_text(changed)} instead of {words.number_text(limit)}"
        return LimitChange(member=member, amount=found.amount, text=text)

    def integer(self, members: tuple[Member, ...]) -> tuple[str, ...]:
        used = {member.index for member in members if member.kind != "constraint"}
        for member in members:
            if member.kind == "constraint":
                used.update(i for i, a in self._model.row(member.index) if a)
        return tuple(self._solve.variable(number) for number in sorted(used & set(self._model.integer)))


class _CpSatLimits:
    """The constraints and bounds of a CP-SAT model, in words."""

    def __init__(self, solve: RecordedSolve, proto: Any) -> None:
        self._solve = solve
        self._proto = proto

    def member(self, kind: Kind, index: int, side: Side) -> Member:
        parts = self._proto.constraints if kind == "constraint" else self._proto.variables
        if not 0 <= index < len(parts) or side != ("both" if kind == "constraint" else kind):
            raise _NoResultError(_unknown(kind, index))
        if kind == "constraint":
            name = self._solve.constraint(index)
            text = words.constraint_text(self._solve, self._proto, index)
            return Member(kind=kind, index=index, side=side, name=name, text=text)
        name, domain = self._solve.variable(index), parts[index].domain
        if not domain:
            raise _NoResultError(_unknown(kind, index))
        text = words.bound_text(name, kind, domain[0 if kind == "lower" else -1])
        return Member(kind=kind, index=index, side=side, name=name, text=text)

    def change(self, found: _FoundChange) -> LimitChange:
        raise _NoResultError(_unknown(found.kind, found.index))

    def integer(self, members: tuple[Member, ...]) -> tuple[str, ...]:
        return ()


def _limits(solve: RecordedSolve) -> _LinearLimits | _CpSatLimits:
    """Return the limits of the recorded model. Raises _NoResultError without any."""
    if isinstance(solve.model, LinearModel):
        return _LinearLimits(solve, solve.model)
    if isinstance(solve.model, CpSatModel):
        try:
            return _CpSatLimits(solve, cp_sat.parse(solve.model))
        except cp_sat.MalformedModelError as error:
            raise _NoResultError(f"the recorded model is malformed: {error}") from None
    raise _NoResultError(solve.omitted or "the solve was recorded without a model")


def _run(cls: type[T], solve: RecordedSolve, sandbox: Sandbox, task: str, seconds: float) -> T:
    """Run a task and return its validated result. Raises _NoResultError if it has none."""
    assert isinstance(solve.model, LinearModel | CpSatModel)
    try:
        data = run_task(sandbox, task, solve.model, seconds=seconds)
        if "failed" in data:
            raise _NoResultError(str(data["failed"]))
        return from_json(cls, data)
    except (ValueError, TypeError, RecursionError) as error:
        raise _NoResultError(f"the result of the examination is malformed: {error}") from None


def _unknown(kind: Kind, index: int) -> str:
    return f"the result of the examination is malformed: the model has no limit {kind!r} {index}"


def _check_distinct(members: tuple[Member, ...] | list[Member]) -> None:
    if len({(member.kind, member.index, member.side) for member in members}) != len(members):
        raise _NoResultError("the result of the examination is malformed: it names a limit twice")
