"""Watching OR-Tools' model builder: `ortools.linear_solver.python.model_builder.Solver.solve`.

The library has no functions to read a solver's settings or to remove its time limit. The next solve gets a new limit.
"""

from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import count, report
from storm_calm.sandbox.probe.status_words import MODEL_BUILDER
from storm_calm.sandbox.probe.watching import Call, RecordedCalls, SolveOutcome, Solved, Watcher, watch_function

_LINEAR = ("GLOP", "PDLP", "CLP")  # solvers that treat all variables as continuous


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
        return Solved(report=lambda: _report(solver, model, name, outcome))

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
