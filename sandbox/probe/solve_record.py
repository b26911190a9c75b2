"""Recording a solve: the variables with their values, the constraints, and the model that was solved.

Each library's module turns its model into a `SolveRecord`. Linear and quadratic models of all libraries have one form:
bounds of the variables, rows with a lower and an upper limit, and the objective. `env.plans` reads the records.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from tempfile import NamedTemporaryFile
from typing import Any

MAX_ENTRIES = 100_000
"""Variables, constraints and coefficients of a recorded model."""
MAX_TEXT_BYTES = 1 << 20
"""Bytes of a model that is kept as text."""
_INFINITE = 1e20
"""Infinity in SCIP and COPT; other solvers use larger numbers."""


class NotRecordedError(Exception):
    """The model cannot be recorded; the message is the reason."""


def check_size(variables: int, constraints: int, coefficients: int = 0) -> None:
    """Raise NotRecordedError for a model that is too large to be recorded."""
    entries = variables + constraints + coefficients
    if entries > MAX_ENTRIES:
        sizes = f"{variables} variables, {constraints} constraints"
        sizes += f" and {coefficients} coefficients" if coefficients else ""
        raise NotRecordedError(f"the model has {sizes}, together more than {MAX_ENTRIES}")


@dataclass(slots=True)
class LinearModel:
    """A model with linear rows and a linear or quadratic objective. The order is that of the record's names."""

    maximize: bool = False
    offset: float = 0.0
    """The constant of the objective."""
    costs: list[float] = field(default_factory=list)
    """The objective's coefficient of each variable."""
    quadratic: list[tuple[int, int, float]] = field(default_factory=list)
    """Terms (i, j, a) of the objective, each a x_i x_j."""
    lower: list[float | None] = field(default_factory=list)
    """The lower bound of each variable; None if it has none."""
    upper: list[float | None] = field(default_factory=list)
    integer: list[int] = field(default_factory=list)
    """Positions of the variables that must be whole."""
    row_lower: list[float | None] = field(default_factory=list)
    row_upper: list[float | None] = field(default_factory=list)
    row_starts: list[int] = field(default_factory=lambda: [0])
    """The coefficients of row r are those from `row_starts[r]` to before `row_starts[r + 1]`."""
    row_columns: list[int] = field(default_factory=list)
    """The variable of each coefficient."""
    row_values: list[float] = field(default_factory=list)
    cones: list[dict[str, Any]] = field(default_factory=list)
    """Cones of consecutive rows: {"kind", "first", "size", "exponent"}. The values of the rows lie in the cone."""

    def add_variable(self, lower: Any, upper: Any, *, integer: bool, cost: Any = 0.0) -> None:
        if integer:
            self.integer.append(len(self.lower))
        self.lower.append(limit(lower))
        self.upper.append(limit(upper))
        self.costs.append(float(cost))

    def add_row(self, columns: Iterable[int], values: Iterable[Any], lower: Any, upper: Any) -> None:
        self.row_columns.extend(map(int, columns))
        self.row_values.extend(map(float, values))
        self.row_starts.append(len(self.row_columns))
        self.row_lower.append(limit(lower))
        self.row_upper.append(limit(upper))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "linear", **{name: getattr(self, name) for name in self.__slots__}}


@dataclass(slots=True, kw_only=True)
class SolveRecord:
    """What is recorded of one solve, beside its report."""

    variables: Sequence[str]
    """The name of each variable; "" for one without a name."""
    values: Sequence[float] | None = None
    """The value of each variable in the solution, or None without a solution."""
    reduced_costs: Sequence[float] | None = None
    """The reduced cost of each variable, as the library gives it, if it does."""
    constraints: Sequence[str] = ()
    """The name of each constraint; "" for one without a name."""
    duals: Sequence[float] | None = None
    """The dual value of each constraint, as the library gives it, if it does."""
    model: LinearModel | dict[str, Any] | None = None
    """The model, or {"kind": "cp_sat", "text": ...} or {"kind": "text", "format": ..., "text": ...}."""
    omitted: str = ""
    """Why the record has no model, or a model that nothing can check."""

    def to_dict(self) -> dict[str, Any]:
        model = self.model.to_dict() if isinstance(self.model, LinearModel) else self.model
        return {
            "variables": list(self.variables),
            "values": _numbers(self.values),
            "reduced_costs": _numbers(self.reduced_costs),
            "constraints": list(self.constraints),
            "duals": _numbers(self.duals),
            "model": model,
            "omitted": self.omitted,
        }


def limit(value: Any) -> float | None:
    """Return a bound of a variable or a row as a float; None if it is missing or infinite."""
    if value is None:
        return None
    number = float(value)
    return number if abs(number) < _INFINITE else None


def _numbers(values: Sequence[Any] | None) -> list[float] | None:
    """Return the numbers as floats; None if one is missing or not finite, as without a solution."""
    if values is None:
        return None
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def text_model(write: Callable[[str], Any], extension: str) -> dict[str, Any]:
    """Return a model in the text that its library writes to a file in the working folder. The file is deleted.

    write: writes the model to a path. extension: of the file, which is also the name of the format.
    """
    with NamedTemporaryFile(dir=".", suffix=f".{extension}") as file:
        write(file.name)
        with open(file.name, "rb") as written:
            text = written.read(MAX_TEXT_BYTES + 1)
    if len(text) > MAX_TEXT_BYTES:
        raise NotRecordedError(f"its text is longer than {MAX_TEXT_BYTES} bytes")
    return {"kind": "text", "format": extension, "text": text.decode("utf-8", errors="replace")}
