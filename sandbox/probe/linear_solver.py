"""Watching the linear solver wrapper: `ortools.linear_solver.pywraplp.Solver.Solve`.

GLOP returns the same status for infeasible and unbounded models. Both are reported as "infeasible": only another solve
could distinguish them.
"""

from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import count, report
from storm_calm.sandbox.probe.status_words import LINEAR_SOLVER
from storm_calm.sandbox.probe.watching import Call, RecordedCalls, SolveOutcome, Watcher, disguised_as, watch_function


def watch(library: ModuleType, channel: Channel) -> None:
    kind = library.Solver
    calls = RecordedCalls()
    set_time_limit = calls.record(kind, "SetTimeLimit")
    set_threads = calls.record(kind, "SetNumThreads")
    kind.set_time_limit = kind.SetTimeLimit  # The library has one function under both names.
    create = kind.CreateSolver

    @disguised_as(create)
    def create_recorded(solver_id: Any) -> Any:
        solver = create(solver_id)
        calls.add(solver, "CreateSolver", solver_id)
        return solver

    kind.CreateSolver = staticmethod(create_recorded)

    def solve(call: Call) -> Watcher:
        solver = call.arguments[0]
        given = calls.of(solver)
        name = _name(solver, str(given.get("CreateSolver", [""])[0]))
        if name == "CP-SAT" and "SetNumThreads" not in given:
            set_threads(solver, 1)  # The other solvers have one thread by default.
        seconds = None if "SetTimeLimit" in given else call.seconds_left
        if seconds is not None:
            set_time_limit(solver, int(1000 * seconds))
        outcome = yield
        if seconds is not None:
            set_time_limit(solver, 0)  # 0 is the default: no limit.
        return lambda: _report(solver, name, outcome)

    watch_function(kind, "Solve", channel, solve)


def _name(solver: Any, solver_id: str) -> str:
    """Return the solver's name in capitals. HiGHS has no version string, so it is known by the id that created it."""
    if solver_id.upper().startswith("HIGHS"):
        return "HIGHS"
    return str(solver.SolverVersion()).split()[0].partition("-0")[0].upper()


def _report(solver: Any, name: str, outcome: SolveOutcome) -> SolverReport:
    variables = solver.variables()
    goal = solver.Objective()
    has_objective = any(goal.GetCoefficient(variable) for variable in variables)
    solve_status = LINEAR_SOLVER.status(outcome.value)
    solved = has_objective and solve_status in ("optimal", "feasible")
    return report(
        library="ortools.linear_solver",
        solver=name,
        status=solve_status,
        maximize=goal.maximization() if has_objective else None,
        objective=goal.Value() if solved else None,
        bound=goal.BestBound() if solved and solver.IsMip() else None,
        convex=not solver.IsMip(),
        variables=count((variable.integer(), variable.lb(), variable.ub()) for variable in variables),
        constraints=solver.NumConstraints(),
        seconds=outcome.seconds,
    )
