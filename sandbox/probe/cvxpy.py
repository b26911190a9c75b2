"""Watching cvxpy: `Problem.solve`, with any of its solvers.

The report counts the program's scalar variables and scalar constraints (`constraint.size`), including bounds that are
written as constraints. Clarabel, OSQP and SCS get a time limit here, and have one thread by default. The watchers of
other solver libraries set both.
"""

import sys
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import Variables, report
from storm_calm.sandbox.probe.status_words import CVXPY
from storm_calm.sandbox.probe.watching import Call, SolveOutcome, Solved, Watcher, watch_function

_TIMES = {"CLARABEL": "time_limit", "OSQP": "time_limit", "SCS": "time_limit_secs"}


def watch(library: ModuleType, channel: Channel) -> None:
    watch_function(library.Problem, "solve", channel, _solve, reported_errors=("SolverError",))
    chain = sys.modules["cvxpy.reductions.solvers.solving_chain"]
    watch_function(chain.SolvingChain, "solve_via_data", channel, _set_time_limit)


def _solve(call: Call) -> Watcher:
    problem = call.arguments[0]
    outcome = yield
    return Solved(report=lambda: _report(problem, outcome))


def _set_time_limit(call: Call) -> Watcher:
    """Set a time limit for the solver that cvxpy has chosen."""
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
    solve_status = CVXPY.status(problem.status, has_solution=problem.value is not None)
    if outcome.error and solve_status not in ("infeasible", "unbounded"):
        solve_status = "error"
    binary = whole = scalars = fixed = 0
    for variable in problem.variables():
        scalars += variable.size
        binary += _entries(variable, "boolean")
        whole += _entries(variable, "integer")
        fixed += _fixed(variable)
    has_objective = not problem.objective.expr.is_constant()
    statistics = problem.solver_stats
    return report(
        library="cvxpy",
        solver=statistics.solver_name if statistics else "",
        status=solve_status,
        maximize=problem.objective.NAME == "maximize" if has_objective else None,
        objective=problem.value if solve_status in ("optimal", "feasible") else None,
        convex=not binary + whole,
        variables=Variables(scalars - binary - whole, whole, binary, fixed),
        constraints=sum(constraint.size for constraint in problem.constraints),
        seconds=outcome.seconds,
    )


def _entries(variable: Any, kind: str) -> int:
    """Count the entries of a variable that have the attribute `kind`: all, none, or those at given numpy indices."""
    value = variable.attributes[kind]
    if isinstance(value, bool):
        return variable.size if value else 0
    return len(getattr(variable, f"{kind}_idx")[0])


def _fixed(variable: Any) -> int:
    """Count the entries of a variable whose attribute `bounds` has equal sides."""
    bounds = variable.attributes.get("bounds")
    if bounds is None:
        return 0
    equal = bounds[0] == bounds[1]
    return int(equal.sum()) if getattr(equal, "shape", ()) else variable.size * bool(equal)
