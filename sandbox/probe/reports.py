"""Building a report: the rules that all libraries share.

A report without a solution has no objective value. A report without an objective has no value, bound or sense. A
constant is not an objective: the solve did not find its value.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from storm_calm.sandbox.execution import Sense, SolverReport, SolveStatus, plain_name

INFINITE = 1e20
"""Infinity in SCIP and COPT; other solvers use larger numbers."""


class Variables(NamedTuple):
    """Numbers of variables, as in `SolverReport`."""

    continuous: int = 0
    integer: int = 0
    binary: int = 0
    fixed: int = 0


_NONE = Variables()


def report(
    *,
    library: str,
    solver: str,
    status: SolveStatus,
    seconds: float,
    maximize: bool | None,
    objective: Any = None,
    bound: Any = None,
    convex: bool = False,
    variables: Variables = _NONE,
    constraints: int = 0,
) -> SolverReport:
    """Build a report with only those values that its status and its direction allow.

    maximize: the direction of the objective; None without one.
    convex: whether an optimal objective is also the bound, if the library has none.
    """
    sense: Sense | None = None if maximize is None else "maximize" if maximize else "minimize"
    solved = status in ("optimal", "feasible")
    if bound is None and convex and status == "optimal":
        bound = objective
    value = finite(objective) if sense and solved else None
    proven = finite(bound) if sense and (solved or status == "limit") else None
    return SolverReport(
        library=library,
        solver=plain_name(solver),
        status=status,
        sense=sense,
        objective=value,
        bound=proven,
        gap=None if value is None or proven is None else abs(value - proven) / max(1e-10, abs(value)),
        continuous=variables.continuous,
        integer=variables.integer,
        binary=variables.binary,
        fixed=variables.fixed,
        constraints=int(constraints),
        seconds=seconds,
    )


def finite(value: Any) -> float | None:
    """Return the number as a float, or None if it is missing or infinite."""
    if value is None:
        return None
    number = float(value)
    return number if abs(number) < INFINITE else None


def count(variables: Iterable[tuple[bool, Any, Any]]) -> Variables:
    """Count variables of each kind. Each is given as (whether integer, lower bound, upper bound)."""
    continuous = integer = binary = fixed = 0
    for whole, lower, upper in variables:
        fixed += lower is not None and lower == upper
        if not whole:
            continuous += 1
        elif lower is not None and upper is not None and lower >= 0 and upper <= 1:
            binary += 1
        else:
            integer += 1
    return Variables(continuous, integer, binary, int(fixed))
