"""Watching cvxpy: `Problem.solve`, with any of its solvers.

Counted is the program's model: scalar variables, and scalar constraints as `constraint.size` has them; a bound that was
given as a constraint is one. A time limit is lent here to Clarabel, OSQP and SCS; other solvers get it from their own
watchers. Threads are left alone here: these three have one.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import direction, report, stopped
from storm_calm.sandbox.probe.watching import Call, SolveOutcome, Watcher
from storm_calm.sandbox.probe.watching import watch as watch_function

_STATUS: dict[str, SolveStatus] = {
    "optimal": "optimal",
    "optimal_inaccurate": "feasible",
    "infeasible": "infeasible",
    "infeasible_inaccurate": "infeasible",
    "infeasible_or_unbounded": "infeasible",
    "unbounded": "unbounded",
    "unbounded_inaccurate": "unbounded",
}
_TIMES = {"CLARABEL": "time_limit", "OSQP": "time_limit", "SCS": "time_limit_secs"}


def watch(library: ModuleType, channel: Channel) -> None:
    """Report every solve of the library on `channel`."""
    watch_function(library.Problem, "solve", channel, _solve)
    chain = sys.modules["cvxpy.reductions.solvers.solving_chain"]
    watch_function(chain.SolvingChain, "solve_via_data", channel, _lend)


def _solve(call: Call) -> Watcher:
    problem = call.arguments[0]
    outcome = yield
    if outcome.error and type(outcome.error).__name__ != "SolverError":
        return None
    return lambda: _report(problem, outcome)


def _lend(call: Call) -> Watcher:
    """Where cvxpy has chosen a solver: give it a time limit."""
    name = _TIMES.get(call.arguments[0].solver.name())
    options = call.arguments[5] if len(call.arguments) > 5 else call.options.get("solver_opts")
    if name and options is not None and name not in options and call.seconds_left is not None:
        options = {**options, name: call.seconds_left}
        if len(call.arguments) > 5:
            call.arguments[5] = options
        else:
            call.options["solver_opts"] = options
    yield
    return None


def _report(problem: Any, outcome: SolveOutcome) -> SolverReport:
    has_value = problem.value is not None
    solve_status = _STATUS.get(problem.status) or ("error" if outcome.error else stopped(has_value))
    if outcome.error and solve_status not in ("infeasible", "unbounded"):
        solve_status = "error"
    binary = whole = scalars = 0
    for variable in problem.variables():
        scalars += variable.size
        binary += _marked(variable, "boolean")
        whole += _marked(variable, "integer")
    has_objective = not problem.objective.expr.is_constant()
    statistics = problem.solver_stats
    objective = problem.value if solve_status in ("optimal", "feasible") else None
    return report(
        library="cvxpy",
        solver=statistics.solver_name if statistics else "",
        status=solve_status,
        sense=direction(problem.objective.NAME == "maximize") if has_objective else None,
        objective=objective,
        # A convex program's optimum is its own proof; of others cvxpy does not tell the bound.
        bound=objective if solve_status == "optimal" and not binary + whole else None,
        variables=(scalars - binary - whole, whole, binary),
        constraints=sum(constraint.size for constraint in problem.constraints),
        seconds=outcome.seconds,
    )


def _marked(variable: Any, kind: str) -> int:
    """How many of the variable's entries are boolean, or integer: all, none, or those at some places (numpy's way)."""
    value = variable.attributes[kind]
    if isinstance(value, bool):
        return variable.size if value else 0
    return len(getattr(variable, f"{kind}_idx")[0])
