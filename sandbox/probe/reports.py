"""Making a report out of what a library says: the same rules for all of them.

Without a solution there is no objective's value, and without an objective neither value, nor bound, nor sense. A solver
that could not tell infeasible from unbounded is reported as infeasible, which is also what GLOP and PuLP make of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from storm_calm.sandbox.execution import Sense, SolverReport, SolveStatus, plain_name

INFINITE = 1e20
"""What SCIP and COPT call infinite; others say more."""


def report(
    *,
    library: str,
    solver: str,
    status: SolveStatus,
    seconds: float,
    sense: Sense | None = None,
    objective: Any = None,
    bound: Any = None,
    variables: tuple[int, int, int] = (0, 0, 0),
    constraints: int = 0,
) -> SolverReport:
    """The report, with the numbers that make sense together. variables: continuous, integer, binary."""
    solved = status in ("optimal", "feasible")
    value = finite(objective) if sense and solved else None
    proven = finite(bound) if sense and (solved or status == "limit") else None
    return SolverReport(
        library=library,
        solver=plain_name(solver),
        status=status,
        sense=sense,
        objective=value,
        bound=proven,
        gap=gap(value, proven),
        continuous=variables[0],
        integer=variables[1],
        binary=variables[2],
        constraints=int(constraints),
        seconds=seconds,
    )


def finite(value: Any) -> float | None:
    """The number as a float; None where there is none, or it is infinite."""
    if value is None:
        return None
    number = float(value)
    return number if abs(number) < INFINITE else None


def gap(objective: float | None, bound: float | None) -> float | None:
    """|objective - bound| / max(1e-10, |objective|); None where either is missing."""
    if objective is None or bound is None:
        return None
    return abs(objective - bound) / max(1e-10, abs(objective))


def count(variables: Iterable[tuple[bool, Any, Any]]) -> tuple[int, int, int]:
    """How many are continuous, integer and binary, of variables given as (whole?, lower bound, upper bound)."""
    continuous = integer = binary = 0
    for whole, lower, upper in variables:
        if not whole:
            continuous += 1
        elif lower is not None and upper is not None and lower >= 0 and upper <= 1:
            binary += 1
        else:
            integer += 1
    return continuous, integer, binary


def direction(maximize: object) -> Sense:
    """The word for it."""
    return "maximize" if maximize else "minimize"


def stopped(has_solution: object) -> SolveStatus:
    """What a solve that stopped early came to."""
    return "feasible" if has_solution else "limit"
