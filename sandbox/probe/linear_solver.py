"""Watching the linear solver wrapper: `ortools.linear_solver.pywraplp.Solver.Solve`.

A report says what the library said, which for GLOP is "infeasible" also where a model is unbounded: it gives the same
word for both, and to know better the model would have to be solved again.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel, harmless
from storm_calm.sandbox.probe.reports import count, direction, report
from storm_calm.sandbox.probe.watching import Call, Watcher, disguised_as
from storm_calm.sandbox.probe.watching import watch as watch_function

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
class _LinearSolverSettings:
    """What the program set on a solver; the library has no way to ask."""

    name: str = ""
    threads: bool = False
    time: bool = False


def watch(library: ModuleType, channel: Channel) -> None:
    """Report every solve of the library on `channel`."""
    kind = library.Solver
    settings: weakref.WeakKeyDictionary[Any, _LinearSolverSettings] = weakref.WeakKeyDictionary()
    create, set_time, set_threads = kind.CreateSolver, kind.SetTimeLimit, kind.SetNumThreads

    @disguised_as(create)
    def create_noted(solver_id: Any) -> Any:
        solver = create(solver_id)
        with harmless():
            settings[solver] = _LinearSolverSettings(name=str(solver_id))
        return solver

    @disguised_as(set_time)
    def set_time_noted(self: Any, *arguments: Any) -> Any:
        with harmless():
            settings.setdefault(self, _LinearSolverSettings()).time = True
        return set_time(self, *arguments)

    @disguised_as(set_threads)
    def set_threads_noted(self: Any, *arguments: Any) -> Any:
        with harmless():
            settings.setdefault(self, _LinearSolverSettings()).threads = True
        return set_threads(self, *arguments)

    def solve(call: Call) -> Watcher:
        solver = call.arguments[0]
        given = settings.get(solver, _LinearSolverSettings())
        name = _name(solver, given)
        if not given.threads and name == "CP-SAT":
            set_threads(solver, 1)  # The others have one thread unless told.
        seconds = None if given.time else call.seconds_left
        if seconds is not None:
            set_time(solver, int(1000 * seconds))
        outcome = yield
        if seconds is not None:
            set_time(solver, 0)  # None, as it was.
        if outcome.error:
            return None
        return lambda: _report(solver, outcome.value, name, outcome.seconds)

    kind.CreateSolver = staticmethod(create_noted)
    kind.SetTimeLimit = kind.set_time_limit = set_time_noted  # One function under two names.
    kind.SetNumThreads = set_threads_noted
    watch_function(kind, "Solve", channel, solve)


def _name(solver: Any, given: _LinearSolverSettings) -> str:
    """The solver's name in capitals; HiGHS does not know its own."""
    if given.name.upper().startswith("HIGHS"):
        return "HIGHS"
    return str(solver.SolverVersion()).split()[0].partition("-0")[0].upper()


def _report(solver: Any, status: int, name: str, seconds: float) -> SolverReport:
    variables = solver.variables()
    goal = solver.Objective()
    has_objective = bool(goal.offset()) or any(goal.GetCoefficient(variable) for variable in variables)
    solve_status = _STATUS.get(status, "error")
    objective = bound = None
    if has_objective and solve_status in ("optimal", "feasible"):
        objective = goal.Value()
        if solver.IsMip():
            bound = goal.BestBound()
        elif solve_status == "optimal":
            bound = objective  # A linear program's optimum is its own proof.
    return report(
        library="ortools.linear_solver",
        solver=name,
        status=solve_status,
        sense=direction(goal.maximization()) if has_objective else None,
        objective=objective,
        bound=bound,
        variables=count((variable.integer(), variable.lb(), variable.ub()) for variable in variables),
        constraints=solver.NumConstraints(),
        seconds=seconds,
    )
