"""Watching MathOpt: `mathopt.solve` and `mathopt.IncrementalSolver.solve`.

Sets a time limit for every solver and one thread for CP-SAT. Other solvers have one thread by default, except HiGHS,
whose number of threads cannot change between two solves of a process.
"""

import dataclasses
import datetime
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import count, report
from storm_calm.sandbox.probe.status_words import MATH_OPT
from storm_calm.sandbox.probe.watching import Call, SolveOutcome, Solved, Watcher, watch_function

_SOLVERS = {"GSCIP": "SCIP", "CP_SAT": "CP-SAT"}
# Fields with the parameters of one solver, and the names of time limits and threads in any of them.
_SPECIFIC = ("gscip", "gurobi", "glop", "cp_sat", "pdlp", "osqp", "glpk", "highs")
_TIMES = ("max_time_in_seconds", "max_deterministic_time", "limits/time", "TimeLimit", "time_limit", "time_sec_limit")
_THREADS = ("num_workers", "num_search_workers")


def watch(library: ModuleType, channel: Channel) -> None:
    def solve(call: Call) -> Watcher:
        named = dict(zip(("opt_model", "solver_type"), call.arguments, strict=False)) | call.options
        return (yield from _solve(call, library, named["opt_model"], named["solver_type"]))

    def solve_incremental(call: Call) -> Watcher:
        solver = call.arguments[0]
        return (yield from _solve(call, library, solver._model, solver._solver_type))

    watch_function(library, "solve", channel, solve)
    watch_function(library.IncrementalSolver, "solve", channel, solve_incremental)


def _solve(call: Call, library: ModuleType, model: Any, solver: Any) -> Watcher:
    parameters = call.options.get("params") or library.SolveParameters()
    specific = "".join(str(getattr(parameters, name, "")) for name in _SPECIFIC).replace("time_limit=None", "")
    has_time_limit = parameters.time_limit is not None or any(name in specific for name in _TIMES)
    has_threads = parameters.threads is not None or any(name in specific for name in _THREADS)
    changes: dict[str, Any] = {}
    if call.seconds_left is not None and not has_time_limit:
        changes["time_limit"] = datetime.timedelta(seconds=call.seconds_left)
    if solver.name == "CP_SAT" and not has_threads:
        changes["threads"] = 1
    if changes:
        call.options["params"] = dataclasses.replace(parameters, **changes)  # A copy, so the program's own is kept.
    outcome = yield
    return Solved(report=lambda: _report(model, _SOLVERS.get(solver.name, solver.name), outcome))


def _report(model: Any, solver: str, outcome: SolveOutcome) -> SolverReport:
    result = outcome.value
    has_solution = result.has_primal_feasible_solution()
    solve_status = MATH_OPT.status(result.termination.reason.name, has_solution=has_solution)
    goal = model.objective
    has_objective = any(term.coefficient for term in (*goal.linear_terms(), *goal.quadratic_terms()))
    return report(
        library="ortools.math_opt",
        solver=solver,
        status=solve_status,
        maximize=goal.is_maximize if has_objective else None,
        objective=result.objective_value() if has_solution else None,
        bound=result.termination.objective_bounds.dual_bound,
        variables=count((one.integer, one.lower_bound, one.upper_bound) for one in model.variables()),
        constraints=model.get_num_linear_constraints()
        + model.get_num_quadratic_constraints()
        + model.get_num_indicator_constraints(),
        seconds=outcome.seconds,
    )
