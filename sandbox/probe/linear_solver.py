"""Watching the linear solver wrapper: `ortools.linear_solver.pywraplp.Solver.Solve`.

A report says what the library said, which for GLOP is "infeasible" also where a model is unbounded.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from sandbox.execution import SolverReport, SolveStatus
from sandbox.probe.channel import Channel, Stopwatch, finite, gap, harmless, named_like

# By the library's own numbers: optimal, feasible, infeasible, unbounded, abnormal, invalid model, not solved.
_STATUS: dict[int, SolveStatus] = {
    0: "optimal",
    1: "feasible",
    2: "infeasible",
    3: "unbounded",
    4: "error",
    5: "error",
    6: "limit",
}


@dataclass(slots=True)
class _Settings:
    """What the program set on a solver; the library has no way to ask."""

    name: str = ""
    threads: bool = False
    time: bool = False


def watch(library: ModuleType, channel: Channel) -> None:
    """Report every solve of the library on `channel`."""
    kind = library.Solver
    settings: weakref.WeakKeyDictionary[Any, _Settings] = weakref.WeakKeyDictionary()
    create, solve, set_time, set_threads = kind.CreateSolver, kind.Solve, kind.set_time_limit, kind.SetNumThreads

    @named_like(create)
    def create_noted(solver_id: Any) -> Any:
        solver = create(solver_id)
        with harmless():
            settings[solver] = _Settings(name=str(solver_id))
        return solver

    @named_like(set_time)
    def set_time_noted(self: Any, *arguments: Any) -> Any:
        with harmless():
            settings.setdefault(self, _Settings()).time = True
        return set_time(self, *arguments)

    @named_like(set_threads)
    def set_threads_noted(self: Any, *arguments: Any) -> Any:
        with harmless():
            settings.setdefault(self, _Settings()).threads = True
        return set_threads(self, *arguments)

    @named_like(solve)
    def solve_watched(self: Any, *arguments: Any) -> Any:
        given = _Settings()
        seconds = None
        with harmless():
            given = settings.get(self, given)
            if not given.threads and _name(self, given) == "CP-SAT":
                set_threads(self, 1)  # The others have one thread unless told.
            seconds = None if given.time else channel.seconds_left()
            if seconds is not None:
                set_time(self, int(1000 * seconds))
        watch = Stopwatch()
        try:
            status = solve(self, *arguments)
        finally:
            with harmless():
                if seconds is not None:
                    set_time(self, 0)  # None, as it was.
        with harmless():
            channel.send(_report(self, status, _name(self, given), watch.seconds()))
        return status

    kind.CreateSolver = staticmethod(create_noted)
    kind.set_time_limit = set_time_noted
    kind.SetNumThreads = set_threads_noted
    kind.Solve = solve_watched


def _name(solver: Any, given: _Settings) -> str:
    """The solver's name in capitals; HiGHS does not know its own."""
    if given.name.upper().startswith("HIGHS"):
        return "HIGHS"
    return str(solver.SolverVersion()).split()[0].partition("-0")[0].upper()


def _report(solver: Any, status: int, name: str, seconds: float) -> SolverReport:
    variables = solver.variables()
    goal = solver.Objective()
    has_objective = bool(goal.offset()) or any(goal.GetCoefficient(variable) for variable in variables)
    said = _STATUS.get(status, "error")
    objective = bound = None
    if has_objective and said in ("optimal", "feasible"):
        objective = finite(goal.Value())
        if solver.IsMip():
            bound = finite(goal.BestBound())
        elif said == "optimal":
            bound = objective  # A linear program's optimum is its own proof.
    integers = [variable for variable in variables if variable.integer()]
    binary = sum(1 for variable in integers if variable.lb() >= 0 and variable.ub() <= 1)
    return SolverReport(
        library="ortools.linear_solver",
        solver=name,
        status=said,
        sense=("maximize" if goal.maximization() else "minimize") if has_objective else None,
        objective=objective,
        bound=bound,
        gap=gap(objective, bound),
        continuous=len(variables) - len(integers),
        integer=len(integers) - binary,
        binary=binary,
        constraints=solver.NumConstraints(),
        seconds=seconds,
    )
