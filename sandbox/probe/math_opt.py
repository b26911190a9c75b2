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
from storm_calm.sandbox.probe.solve_record import LinearModel, SolveRecord, check_size
from storm_calm.sandbox.probe.status_words import MATH_OPT
from storm_calm.sandbox.probe.watching import Call, Solved, SolveOutcome, Watcher, watch_function

_SOLVERS = {"GSCIP": "SCIP", "CP_SAT": "CP-SAT"}
# Fields with the parameters of one solver, and the names of time limits and threads in any of them.
_SPECIFIC = ("gscip", "gurobi", "glop", "cp_sat", "pdlp", "osqp", "glpk", "highs")
_TIMES = ("max_time_in_seconds", "max_deterministic_time", "limits/time", "TimeLimit", "time_limit", "time_sec_limit")
_THREADS = ("num_workers", "num_search_workers")
# Parts of a model that a `LinearModel` cannot hold, with their names.
_OTHER_PARTS = {
    "quadratic_constraints": "quadratic constraints",
    "second_order_cone_constraints": "second-order cone constraints",
    "indicator_constraints": "indicator constraints",
    "sos1_constraints": "special ordered sets",
    "sos2_constraints": "special ordered sets",
    "auxiliary_objectives": "several objectives",
}
_MAX_TEXT_MODEL = 1 << 19  # bytes of a model that is recorded as text, which is about three times as long


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
    return Solved(
        report=lambda: _report(model, _SOLVERS.get(solver.name, solver.name), outcome),
        record=lambda: _record(model, outcome.value),
    )


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


def _record(model: Any, result: Any) -> SolveRecord:
    check_size(model.get_num_variables(), model.get_num_linear_constraints())
    proto = model.export_model()
    variables, rows = proto.variables, proto.linear_constraints
    products = proto.objective.quadratic_coefficients
    coefficients = len(proto.linear_constraint_matrix.coefficients) + len(products.coefficients)
    check_size(len(variables.ids), len(rows.ids), coefficients)
    record = SolveRecord(
        variables=variables.names or [""] * len(variables.ids), constraints=rows.names or [""] * len(rows.ids)
    )
    if result.has_primal_feasible_solution():
        record.values = _in_order(result.variable_values(), variables.ids)
    if result.has_dual_feasible_solution() and not any(variables.integers):
        record.reduced_costs = _in_order(result.reduced_costs(), variables.ids)
        record.duals = _in_order(result.dual_values(), rows.ids)
    others = [name for part, name in _OTHER_PARTS.items() if getattr(proto, part, None)]
    if not others:
        record.model = _linear(proto)
        return record
    record.omitted = f"it has {' and '.join(dict.fromkeys(others))}"
    if proto.ByteSize() <= _MAX_TEXT_MODEL:
        record.model = {"kind": "text", "format": "textproto", "text": str(proto)}
    return record


def _in_order(values: dict[Any, float], ids: Any) -> list[Any]:
    """Return the values of variables or constraints in the order of their ids; None for one that a filter left out."""
    by_id = {key.id: value for key, value in values.items()}
    return [by_id.get(number) for number in ids]


def _linear(proto: Any) -> LinearModel:
    goal, matrix = proto.objective, proto.linear_constraint_matrix
    model = LinearModel(maximize=goal.maximize, offset=goal.offset)
    costs = dict(zip(goal.linear_coefficients.ids, goal.linear_coefficients.values, strict=True))
    given = proto.variables
    for number, lower, upper, whole in zip(
        given.ids, given.lower_bounds, given.upper_bounds, given.integers, strict=True
    ):
        model.add_variable(lower, upper, integer=whole, cost=costs.get(number, 0.0))
    position = {number: place for place, number in enumerate(given.ids)}  # Ids have gaps after deletions.
    products = goal.quadratic_coefficients
    for first, second, value in zip(products.row_ids, products.column_ids, products.coefficients, strict=True):
        model.quadratic.append((position[first], position[second], value))
    rows: dict[int, list[tuple[int, float]]] = {number: [] for number in proto.linear_constraints.ids}
    for row, column, value in zip(matrix.row_ids, matrix.column_ids, matrix.coefficients, strict=True):
        rows[row].append((position[column], value))
    limits = zip(proto.linear_constraints.lower_bounds, proto.linear_constraints.upper_bounds, strict=True)
    for terms, (lower, upper) in zip(rows.values(), limits, strict=True):
        model.add_row([column for column, _ in terms], [value for _, value in terms], lower, upper)
    return model
