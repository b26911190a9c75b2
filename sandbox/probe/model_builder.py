"""Watching OR-Tools' model builder: `ortools.linear_solver.python.model_builder.Solver.solve`.

The library has no functions to read a solver's settings or to remove its time limit. The next solve gets a new limit.
"""

from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import count, report
from storm_calm.sandbox.probe.solve_record import LinearModel, SolveRecord, check_size
from storm_calm.sandbox.probe.status_words import MODEL_BUILDER
from storm_calm.sandbox.probe.watching import Call, RecordedCalls, Solved, SolveOutcome, Watcher, watch_function

_LINEAR = ("GLOP", "PDLP", "CLP")  # solvers that treat all variables as continuous
_MAX_TEXT_MODEL = 1 << 19  # bytes of a model that is recorded as text, which is about three times as long


def watch(library: ModuleType, channel: Channel) -> None:
    kind = library.Solver
    calls = RecordedCalls()
    calls.record(kind, "__init__")
    set_time_limit = calls.record(kind, "set_time_limit_in_seconds")
    set_parameters = calls.record(kind, "set_solver_specific_parameters")

    def solve(call: Call) -> Watcher:
        solver = call.arguments[0]
        model = call.arguments[1] if len(call.arguments) > 1 else call.options["model"]
        given = calls.of(solver)
        name = str(given.get("__init__", [""])[0]).upper()
        if name in ("SAT", "CP_SAT"):
            name = "CP-SAT"
        one_thread = name == "CP-SAT" and "set_solver_specific_parameters" not in given
        if one_thread:
            set_parameters(solver, "num_workers: 1")  # The other solvers have one thread by default.
        if call.seconds_left is not None and "set_time_limit_in_seconds" not in given:
            set_time_limit(solver, call.seconds_left)
        outcome = yield
        if one_thread:
            set_parameters(solver, "")
        return Solved(
            report=lambda: _report(solver, model, name, outcome),
            record=lambda: _record(solver, model, name, outcome),
        )

    watch_function(kind, "solve", channel, solve)


def _report(solver: Any, model: Any, name: str, outcome: SolveOutcome) -> SolverReport:
    helper = model.helper
    indices = range(helper.num_variables())
    has_objective = any(helper.var_objective_coefficient(i) for i in indices)
    variables = count(
        (helper.var_is_integral(i), helper.var_lower_bound(i), helper.var_upper_bound(i)) for i in indices
    )
    convex = name in _LINEAR or not (variables.integer or variables.binary)
    solve_status = MODEL_BUILDER.status(outcome.value.name)
    solved = has_objective and solve_status in ("optimal", "feasible")
    return report(
        library="ortools.model_builder",
        solver=name,
        status=solve_status,
        maximize=helper.maximize() if has_objective else None,
        objective=solver.objective_value if solved else None,
        bound=solver.best_objective_bound if solved and not convex else None,
        convex=convex,
        variables=variables,
        constraints=helper.num_constraints(),
        seconds=outcome.seconds,
    )


def _record(solver: Any, model: Any, name: str, outcome: SolveOutcome) -> SolveRecord:
    check_size(model.num_variables, model.num_constraints)
    proto = model.export_to_proto()
    check_size(len(proto.variable), len(proto.constraint), sum(len(row.var_index) for row in proto.constraint))
    solved = MODEL_BUILDER.status(outcome.value.name) in ("optimal", "feasible")
    record = SolveRecord(
        variables=[variable.name for variable in proto.variable],
        values=solver.values(model.get_variables()) if solved else None,
        constraints=[row.name for row in proto.constraint],
    )
    if proto.general_constraint:
        record.omitted = "it has enforced constraints"
        if proto.ByteSize() <= _MAX_TEXT_MODEL:
            record.model = {"kind": "text", "format": "textproto", "text": str(proto)}
        return record
    record.model = linear = LinearModel(maximize=proto.maximize, offset=proto.objective_offset)
    for one in proto.variable:
        linear.add_variable(one.lower_bound, one.upper_bound, integer=one.is_integer, cost=one.objective_coefficient)
    for row in proto.constraint:
        linear.add_row(row.var_index, row.coefficient, row.lower_bound, row.upper_bound)
    # Other solvers give none, except HiGHS, whose dual values are those of the rows (ortools 9.15).
    if solved and name in _LINEAR and not linear.integer:
        record.reduced_costs = solver.reduced_costs(model.get_variables())
        record.duals = solver.dual_values(model.get_linear_constraints())
    return record
