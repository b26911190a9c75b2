"""Watching PuLP: `LpProblem.solve`, with any of its solvers, and `sequentialSolve`, which is one report for its last.

Counted is the program's model, before PuLP writes it down for a solver; a bound that was given as a constraint
is one. To the solvers that are programs of their own, such as CBC, a time limit is lent here; those that are
libraries get it from their own watchers. CBC has one thread and a fixed seed unless told.
"""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import count, direction, report
from storm_calm.sandbox.probe.watching import Call, SolveOutcome, Watcher
from storm_calm.sandbox.probe.watching import watch as watch_function

_STATUS: dict[int, SolveStatus] = {1: "optimal", 2: "feasible", -1: "infeasible", -2: "unbounded"}
_NAMES = {"PULP_CBC": "CBC", "COIN": "CBC"}


def watch(library: ModuleType, channel: Channel) -> None:
    """Report every solve of the library on `channel`."""

    def solve(call: Call, position: int) -> Watcher:
        problem = call.arguments[0]
        given = call.arguments[position] if len(call.arguments) > position else call.options.get("solver")
        solver = given or problem.solver or library.LpSolverDefault
        lent = call.seconds_left if _can_be_lent(solver, library) else None
        if lent is not None:
            solver.timeLimit = lent
        outcome = yield
        if lent is not None:
            solver.timeLimit = None
        if outcome.error and type(outcome.error).__name__ != "PulpSolverError":
            return None
        return lambda: _report(problem, solver, outcome, library)

    # Where among its arguments each has the solver.
    watch_function(library.LpProblem, "solve", channel, partial(solve, position=1))
    watch_function(library.LpProblem, "sequentialSolve", channel, partial(solve, position=4))


def _can_be_lent(solver: Any, library: ModuleType) -> bool:
    """Whether it is a command that has no time limit, neither as such nor among its options."""
    if not isinstance(solver, library.LpSolver_CMD) or solver.timeLimit is not None:
        return False
    return not any("sec" in str(option).lower() or "time" in str(option).lower() for option in solver.options or ())


def _report(problem: Any, solver: Any, outcome: SolveOutcome, library: ModuleType) -> SolverReport:
    solve_status = _STATUS.get(problem.sol_status) or ("limit" if problem.status == 0 else "error")
    if outcome.error:
        solve_status = "error"
    variables = count((one.cat == library.LpInteger, one.lowBound, one.upBound) for one in problem.variables())
    has_objective = problem.objective is not None and (
        any(problem.objective.values()) or bool(problem.objective.constant)
    )
    objective = problem.objective.value() if has_objective else None
    is_linear = not (variables[1] or variables[2])
    return report(
        library="pulp",
        solver=_name(solver),
        status=solve_status,
        sense=direction(problem.sense == library.LpMaximize) if has_objective else None,
        objective=objective,
        # A linear program's optimum is its own proof; of others PuLP does not tell the bound.
        bound=objective if is_linear and solve_status == "optimal" else None,
        variables=variables,
        constraints=problem.numConstraints(),
        seconds=outcome.seconds,
    )


def _name(solver: Any) -> str:
    """The solver's name, without the way in which it is reached."""
    name = str(solver.name).removesuffix("_CMD").removesuffix("_PY").upper()
    return _NAMES.get(name, name)
