"""A plan as tables in Markdown that a planner reads: who does what and when, and how much goes from where to where."""

from collections.abc import Iterable, Sequence

from storm_calm.env.plans.charts import Gantt
from storm_calm.env.plans.plan_report import PlanReport
from storm_calm.env.plans.variable_groups import VariableGroup
from storm_calm.env.plans.words import number_text

Used = list[tuple[tuple[str, ...], float]]
"""Indices and values of the variables that are not 0."""


def plan_tables(report: PlanReport, names: Sequence[str] = ()) -> str:
    """Return the variables that are not 0 as tables. names: those of the data, in the order of the rows and columns."""
    if isinstance(report.chart, Gantt):
        return _schedule(report.chart)
    parts = []
    for group in report.groups:
        used = [(index, round(value, 6)) for index, value in zip(group.indices, group.values, strict=True)]
        used = [(index, value) for index, value in used if value]
        if used:
            parts.append(_group(_Ordered(group, names), used))
    return "\n\n".join(parts)


class _Ordered:
    """A group of variables with an order of the values of its indices: libraries sort variables by name."""

    def __init__(self, group: VariableGroup, names: Sequence[str]) -> None:
        self.name = group.name
        self.size = group.size
        self._places = {name: place for place, name in reversed(list(enumerate(names)))}

    def values(self, used: Used, position: int) -> list[str]:
        """Return the values of an index: numbers in their order, names in that of the data."""
        return sorted({index[position] for index, _ in used}, key=self._place)

    def _place(self, value: str) -> tuple[float, str]:
        return (float(value) if value.isdecimal() else self._places.get(value, len(self._places)), value)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(line)} |" for line in (head, *rows)]
    lines.insert(1, "|---" * len(head) + "|")
    return "\n".join(lines)


def _group(group: _Ordered, used: Used) -> str:
    yes_or_no = all(value == 1 for _, value in used)
    match group.size:
        case 3 if yes_or_no:
            return _three(group, used)
        case 2 if yes_or_no:
            return _lists(group, used)
        case 2:
            return _matrix(group, used)
        case _ if yes_or_no and group.size == 1:
            return f"`{group.name}`: {', '.join(index[0] for index, _ in used)}"
        case _:
            return table(
                (f"`{group.name}`" if group.name else "Variable", "Value"),
                [(", ".join(index), number_text(value)) for index, value in used],
            )


def _three(group: _Ordered, used: Used) -> str:
    """Return yes-or-no variables with three indices, such as nurse, day and shift: the third one is in the cells."""
    columns = group.values(used, 1)
    cells = {(index[0], index[1]): index[2] for index, _ in used}
    rows = [[row, *(cells.get((row, column), "") for column in columns)] for row in group.values(used, 0)]
    return table(["", *columns], rows)


def _lists(group: _Ordered, used: Used) -> str:
    """Return yes-or-no variables with two indices: a line for each value of the index with fewer values."""
    values = [group.values(used, position) for position in (0, 1)]
    key, other = (0, 1) if len(values[0]) < len(values[1]) else (1, 0)
    rows = [(one, ", ".join(index[other] for index, _ in used if index[key] == one)) for one in values[key]]
    return table((f"`{group.name}`", ""), rows)


def _matrix(group: _Ordered, used: Used) -> str:
    """Return amounts with two indices: the index with more values is in the rows."""
    values = [group.values(used, position) for position in (0, 1)]
    down = 0 if len(values[0]) >= len(values[1]) else 1
    cells = {(index[down], index[1 - down]): number_text(value) for index, value in used}
    rows = [[row, *(cells.get((row, column), "") for column in values[1 - down])] for row in values[down]]
    return table([f"`{group.name}`", *values[1 - down]], rows)


def _schedule(chart: Gantt) -> str:
    machines = list(dict.fromkeys(task.row for task in chart.tasks))
    rows = []
    for machine in machines:
        tasks = sorted((task for task in chart.tasks if task.row == machine), key=lambda task: task.start)
        texts = (f"{task.label.removesuffix(f' {machine}')} {task.start:g} to {task.end:g}" for task in tasks)
        rows.append((machine, ", ".join(texts)))
    return table(("Machine", "Jobs, from minute to minute"), rows)
