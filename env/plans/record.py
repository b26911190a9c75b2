"""Reading the records of solves. They are text that an untrusted program's process wrote.

    for solve in read_records(execution):
        print(solve.report.status, solve.model)

A record that is malformed or that belongs to no report of the execution is returned without its content and with the
reason, so that nothing is checked in its place.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from storm_calm.env.serialize import from_json, to_json
from storm_calm.sandbox import Execution, SolverReport

MAX_ENTRIES = 200_000
"""Variables, constraints and coefficients of a model that is read."""
MAX_NAME = 200
"""Characters of a name; longer ones are cut."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cone:
    """A cone in which the values of consecutive rows lie."""

    kind: Literal["second_order", "exponential", "positive_semidefinite", "power"]
    """second_order: the first value is at least the norm of the others. exponential: y exp(x / y) <= z, y > 0.
    positive_semidefinite: the lower triangle of a symmetric matrix by columns, off-diagonal entries times sqrt(2).
    power: x^a y^(1 - a) >= |z|, x and y >= 0."""
    first: int
    size: int
    exponent: float | None = None
    """a of a power cone."""

    def __post_init__(self) -> None:
        if self.kind in ("exponential", "power") and self.size != 3:
            raise ValueError(f"a cone of the kind {self.kind} has 3 rows, not {self.size}")
        if self.kind == "positive_semidefinite" and math.isqrt(8 * self.size + 1) ** 2 != 8 * self.size + 1:
            raise ValueError(f"{self.size} rows cannot be a triangle of a matrix")


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearModel:
    """A model with linear rows, and a linear or quadratic objective. A missing limit is None."""

    kind: Literal["linear"]
    maximize: bool
    offset: float
    """The constant of the objective."""
    costs: tuple[float, ...]
    """The objective's coefficient of each variable."""
    quadratic: tuple[tuple[int, int, float], ...]
    """Terms (i, j, a) of the objective, each a x_i x_j."""
    lower: tuple[float | None, ...]
    upper: tuple[float | None, ...]
    integer: tuple[int, ...]
    """Positions of the variables that must be whole."""
    row_lower: tuple[float | None, ...]
    row_upper: tuple[float | None, ...]
    row_starts: tuple[int, ...]
    """The coefficients of row r are those from `row_starts[r]` to before `row_starts[r + 1]`."""
    row_columns: tuple[int, ...]
    """The variable of each coefficient."""
    row_values: tuple[float, ...]
    cones: tuple[Cone, ...]

    def __post_init__(self) -> None:
        columns, rows, entries = len(self.costs), len(self.row_lower), len(self.row_columns)
        if columns + rows + entries > MAX_ENTRIES:
            raise ValueError(f"the model has {columns} variables, {rows} rows and {entries} coefficients, too many")
        if len(self.lower) != columns or len(self.upper) != columns:
            raise ValueError(f"there must be as many bounds as costs ({columns})")
        if len(self.row_upper) != rows or len(self.row_starts) != rows + 1 or len(self.row_values) != entries:
            raise ValueError("the parts of the rows must have matching lengths")
        if self.row_starts[0] != 0 or self.row_starts[-1] != entries:
            raise ValueError("row_starts must begin at 0 and end at the number of coefficients")
        if any(first > last for first, last in pairwise(self.row_starts)):
            raise ValueError("row_starts must not decrease")
        positions = (*self.row_columns, *self.integer, *(i for term in self.quadratic for i in term[:2]))
        if not all(0 <= position < columns for position in positions):
            raise ValueError(f"positions of variables must be from 0 to {columns - 1}")
        end = 0
        for cone in self.cones:
            if cone.first < end or cone.size < 0 or cone.first + cone.size > rows:
                raise ValueError(f"cones must lie within the {rows} rows, one after the other")
            end = cone.first + cone.size

    def row(self, number: int) -> Iterator[tuple[int, float]]:
        """Yield the variable and the value of each coefficient of a row."""
        part = slice(self.row_starts[number], self.row_starts[number + 1])
        return zip(self.row_columns[part], self.row_values[part], strict=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class CpSatModel:
    """A model of CP-SAT, as the text form of its protocol buffer `CpModelProto`."""

    kind: Literal["cp_sat"]
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TextModel:
    """A model in the library's own text, which is kept but not checked."""

    kind: Literal["text"]
    format: str
    """The format, which is also the extension of its files, such as "lp"."""
    text: str


Model = LinearModel | CpSatModel | TextModel


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedSolve:
    """One solve: its report and, as far as they were recorded, names, solution and model."""

    report: SolverReport
    """The report, which is the program's claim."""
    variables: tuple[str, ...] = ()
    """The name of each variable; "" for one without a name."""
    values: tuple[float, ...] | None = None
    """The value of each variable in the solution; None without one."""
    reduced_costs: tuple[float, ...] | None = None
    """As the library gave them."""
    constraints: tuple[str, ...] = ()
    """The name of each constraint; "" for one without a name."""
    duals: tuple[float, ...] | None = None
    """As the library gave them."""
    model: Model | None = field(default=None)
    omitted: str = ""
    """Why the model is missing, or only one that cannot be checked."""
    malformed: str = ""
    """Why the record could not be read. Set by the reader, never by the program."""

    def __post_init__(self) -> None:
        for name, size in (("values", self.variables), ("reduced_costs", self.variables), ("duals", self.constraints)):
            numbers = getattr(self, name)
            if numbers is not None and len(numbers) != len(size):
                raise ValueError(f"{name} has {len(numbers)} numbers for {len(size)} names")
        if isinstance(self.model, LinearModel):
            if len(self.model.costs) != len(self.variables):
                raise ValueError(f"the model has {len(self.model.costs)} variables, and {len(self.variables)} names")
            if len(self.model.row_lower) != len(self.constraints):
                raise ValueError(f"the model has {len(self.model.row_lower)} rows, and {len(self.constraints)} names")

    def variable(self, number: int) -> str:
        """Return the name of a variable, or one made from its number."""
        return _name(self.variables, number, "variable")

    def constraint(self, number: int) -> str:
        """Return the name of a constraint, or one made from its number."""
        return _name(self.constraints, number, "constraint")


def read_records(execution: Execution) -> tuple[RecordedSolve, ...]:
    """Return the recorded solves of an execution, in order. Never raises for what a program wrote."""
    return _read(execution.solve_records, execution.reports)


@lru_cache(maxsize=4)  # Rules, verdict and examination read the same records.
def _read(texts: tuple[str, ...], reports: tuple[SolverReport, ...]) -> tuple[RecordedSolve, ...]:
    left = list(reports)
    return tuple(solve for text in texts if (solve := _parse(text, left)) is not None)


def _parse(text: str, reports: list[SolverReport]) -> RecordedSolve | None:
    """Return the solve that a text records, and remove its report from `reports`; None if its report is not there."""
    try:
        data = json.loads(text)
        claimed = from_json(SolverReport, data["report"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    # A record has its report without the time.
    report = next((one for one in reports if replace(one, seconds=claimed.seconds) == claimed), None)
    if report is None:
        return None
    reports.remove(report)
    try:
        if "malformed" in data:
            raise ValueError('"malformed" is not a field of a record')
        return from_json(RecordedSolve, {**data, "report": to_json(report)})
    except ValueError as error:
        return RecordedSolve(report=report, malformed=f"the record is malformed: {error}"[:300])


def record_of(execution: Execution, report: SolverReport) -> RecordedSolve | None:
    """Return the record of the solve with a report, the last if several are equal; None if it was not recorded."""
    return next((solve for solve in reversed(read_records(execution)) if solve.report == report), None)


def _name(names: tuple[str, ...], number: int, kind: str) -> str:
    name = _UNPRINTABLE.sub(" ", names[number]).strip() if number < len(names) else ""
    if not name:
        return f"{kind} {number + 1}"
    return name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}..."
