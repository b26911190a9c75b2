"""The plan of a recorded solve: the value of each variable, by the program's names."""

from dataclasses import dataclass

from storm_calm.env.plans.checks import INTEGRALITY
from storm_calm.env.plans.record import CpSatModel, LinearModel, RecordedSolve


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanLine:
    """A variable and its value."""

    name: str
    value: float
    integer: bool | None
    """Whether it must be whole; None if unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The solution of a solve."""

    objective: float | None
    """As the solver reported it."""
    sense: str | None
    """"minimize" or "maximize"; None without an objective."""
    lines: tuple[PlanLine, ...]
    """All variables, in the program's order."""

    @property
    def used(self) -> tuple[PlanLine, ...]:
        """The variables whose value is not 0."""
        return tuple(line for line in self.lines if line.value)


def plan_of(solve: RecordedSolve) -> Plan | None:
    """Return the plan of a solve; None without a solution. Whole variables within 1e-5 of a whole number become it."""
    if solve.values is None:
        return None
    integer: set[int] | None = None
    if isinstance(solve.model, LinearModel):
        integer = set(solve.model.integer)
    elif isinstance(solve.model, CpSatModel):
        integer = set(range(len(solve.variables)))
    lines = [
        PlanLine(
            name=solve.variable(number),
            value=_shown(value, whole=integer is not None and number in integer),
            integer=None if integer is None else number in integer,
        )
        for number, value in enumerate(solve.values)
    ]
    return Plan(objective=solve.report.objective, sense=solve.report.sense, lines=tuple(lines))


def _shown(value: float, *, whole: bool) -> float:
    nearest = float(round(value))
    if whole and abs(value - nearest) <= INTEGRALITY:
        return nearest + 0.0
    return 0.0 if abs(value) < 1e-9 else value
