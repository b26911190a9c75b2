"""Watching cvxpy: `Problem.solve`, with any of its solvers.

The report counts the program's scalar variables and scalar constraints (`constraint.size`), including bounds that are
written as constraints. Clarabel, OSQP and SCS get a time limit here, and have one thread by default. The watchers of
other solver libraries set both.

A record needs what `Problem.solve` hands to the solver. Inner calls keep it for the record until `Problem.solve` ends.
"""

import sys
import threading
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.cvxpy_record import InnerSolve, record
from storm_calm.sandbox.probe.reports import Variables, report
from storm_calm.sandbox.probe.status_words import CVXPY
from storm_calm.sandbox.probe.watching import Call, Solved, SolveOutcome, Watcher, watch_function


class _State(threading.local):
    inner: InnerSolve | None = None
    """That of the innermost `Problem.solve` that is running."""


_state = _State()
_TIMES = {"CLARABEL": "time_limit", "OSQP": "time_limit", "SCS": "time_limit_secs"}


def watch(library: ModuleType, channel: Channel) -> None:
    watch_function(library.Problem, "solve", channel, _solve, reported_errors=("SolverError",))
    chain = sys.modules["cvxpy.reductions.solvers.solving_chain"]
    watch_function(chain.SolvingChain, "solve_via_data", channel, _solve_program)
    stuffing = sys.modules["cvxpy.reductions.dcp2cone.cone_matrix_stuffing"]
    watch_function(stuffing.ConeMatrixStuffing, "invert", channel, _keep_solution)


def _solve(call: Call) -> Watcher:
    problem = call.arguments[0]
    outer, inner = _state.inner, InnerSolve(problem)
    _state.inner = inner
    outcome = yield
    _state.inner = outer
    return Solved(
        report=lambda: _report(problem, outcome),
        record=lambda: record(inner, solved=_status(problem, outcome) in ("optimal", "feasible")),
    )


def _solve_program(call: Call) -> Watcher:
    """Keep the problem in the solver's form, and set a time limit for the solver that cvxpy has chosen."""
    inner, chain = _state.inner, call.arguments[0]
    if inner is not None and len(call.arguments) > 2 and call.arguments[1] is inner.problem:
        data = call.arguments[2]
        inner.chain, inner.program, inner.solution = chain, None, None
        if isinstance(data, dict):  # A problem without variables is handed over as it is.
            inner.program = data.get("param_prob")
    name = _TIMES.get(chain.solver.name())
    options = call.arguments[5] if len(call.arguments) > 5 else call.options.get("solver_opts")
    if name and options is not None and name not in options and call.seconds_left is not None:
        options = {**options, name: call.seconds_left}
        if len(call.arguments) > 5:
            call.arguments[5] = options
        else:
            call.options["solver_opts"] = options
    yield
    return None


def _keep_solution(call: Call) -> Watcher:
    """Keep the solution of all variables of the solver. The next steps drop the auxiliary ones."""
    inner = _state.inner
    if inner is not None and inner.chain is not None and call.arguments[0] in inner.chain.reductions:
        inner.solution = call.arguments[1]
    yield
    return None


def _report(problem: Any, outcome: SolveOutcome) -> SolverReport:
    solve_status = _status(problem, outcome)
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


def _status(problem: Any, outcome: SolveOutcome) -> SolveStatus:
    solve_status = CVXPY.status(problem.status, has_solution=problem.value is not None)
    if outcome.error and solve_status not in ("infeasible", "unbounded"):
        return "error"
    return solve_status


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
    lower, upper = (getattr(side, "value", side) for side in bounds)  # A side can have parameters.
    equal = lower == upper
    return int(equal.sum()) if getattr(equal, "shape", ()) else variable.size * bool(equal)
