"""A chart that fits a plan: amounts as bars, amounts from one place to another as flows, times as a Gantt chart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from storm_calm.env.plans import cp_sat
from storm_calm.env.plans.record import CpSatModel, RecordedSolve
from storm_calm.env.plans.variable_groups import VariableGroup

MAX_BARS = 40
MAX_FLOWS = 200
MAX_TASKS = 200
STARTS = frozenset({"start", "starts", "begin", "start_time", "s", "st"})
ENDS = frozenset({"end", "ends", "finish", "end_time", "e", "completion", "c"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Bars:
    """Amounts."""

    kind: Literal["bars"] = "bars"
    title: str
    labels: tuple[str, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Flows:
    """Amounts from sources to targets."""

    kind: Literal["flows"] = "flows"
    title: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A bar of a Gantt chart."""

    label: str
    row: str
    """The machine or person; the task itself without one."""
    start: float
    end: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Gantt:
    """Tasks over time."""

    kind: Literal["gantt"] = "gantt"
    title: str
    tasks: tuple[Task, ...]


Chart = Bars | Flows | Gantt


def chart_of(solve: RecordedSolve, groups: Sequence[VariableGroup]) -> Chart | None:
    """Return the chart of a plan; None if none fits. groups: the variables with their values in the plan."""
    tasks = tuple(_intervals(solve)) or tuple(_pairs(groups))
    if 2 <= len(tasks) <= MAX_TASKS:
        return Gantt(title="Schedule", tasks=tasks)
    for size in (2, 1, 0):
        fitting = [group for group in groups if group.size == size and _used(group)]
        if fitting and (found := _chart(max(fitting, key=lambda group: len(_used(group))))) is not None:
            return found
    return None


def _used(group: VariableGroup) -> list[tuple[tuple[str, ...], float]]:
    return [(index, value) for index, value in zip(group.indices, group.values, strict=True) if value]


def _chart(group: VariableGroup) -> Chart | None:
    used = _used(group)
    if group.size == 2 and 2 <= len(used) <= MAX_FLOWS and all(value > 0 for _, value in used):
        return Flows(
            title=group.name,
            sources=tuple(index[0] for index, _ in used),
            targets=tuple(index[1] for index, _ in used),
            values=tuple(value for _, value in used),
        )
    # Yes-or-no variables have no amounts.
    if 2 <= len(used) <= MAX_BARS and any(value != 1 for _, value in used):
        return Bars(
            title=group.name or "Plan",
            labels=tuple(", ".join(index) for index, _ in used),
            values=tuple(value for _, value in used),
        )
    return None


def _pairs(groups: Sequence[VariableGroup]) -> Iterator[Task]:
    """Yield a task for each start variable with an end variable of the same index."""
    starts = [group for group in groups if group.size and group.name.lower() in STARTS]
    ends = [group for group in groups if group.size and group.name.lower() in ENDS]
    for start in starts:
        for end in ends:
            until = dict(zip(end.indices, end.values, strict=True))
            for index, value in zip(start.indices, start.values, strict=True):
                if index in until and until[index] >= value:
                    yield Task(label=", ".join(index), row=index[-1], start=value, end=until[index])


def _intervals(solve: RecordedSolve) -> Iterator[Task]:
    """Yield the present intervals of a CP-SAT model; the row is the first constraint in which it must not overlap."""
    if not isinstance(solve.model, CpSatModel) or solve.values is None:
        return
    try:
        proto = cp_sat.parse(solve.model)
        x = [round(value) for value in solve.values]
        rows: dict[int, str] = {}
        for number, constraint in enumerate(proto.constraints):
            if constraint.HasField("no_overlap"):
                for interval in constraint.no_overlap.intervals:
                    rows.setdefault(interval, solve.constraint(number))
        for number, constraint in enumerate(proto.constraints):
            if constraint.HasField("interval") and all(_true(x, one) for one in constraint.enforcement_literal):
                label = solve.constraint(number)
                start, end = (_value(x, part) for part in (constraint.interval.start, constraint.interval.end))
                yield Task(label=label, row=rows.get(number, label), start=start, end=end)
    except (cp_sat.MalformedModelError, IndexError):
        return


def _true(x: Sequence[int], literal: int) -> bool:
    return bool(x[literal]) if literal >= 0 else not x[-literal - 1]


def _value(x: Sequence[int], expression: Any) -> int:
    return int(expression.offset + sum(a * x[i] for i, a in zip(expression.vars, expression.coeffs, strict=False)))
