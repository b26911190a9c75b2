"""Watching OR-Tools' model builder: `ortools.linear_solver.python.model_builder.Solver.solve`.

The library can't be asked for the settings of a solver and has no way to unset its time limit; the next solve is lent
a new one.
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

_STATUS: dict[str, SolveStatus] = {
    "OPTIMAL": "optimal",
    "FEASIBLE": "feasible",
    "INFEASIBLE": "infeasible",
    "UNBOUNDED": "unbounded",
    "NOT_SOLVED": "limit",
    "CANCELLED_BY_USER": "limit",
    "UNKNOWN_STATUS": "limit",
}
_LINEAR = ("GLOP", "PDLP", "CLP")  # solvers to which all variables are continuous


@dataclass(slots=True)
class _ModelBuilderSettings:
    """What the program set on a solver."""

    name: str = ""
    time: bool = False
    parameters: bool = False


def watch(library: ModuleType, channel: Channel) -> None:
    """Report every solve of the library on `channel`."""
    kind = library.Solver
    settings: weakref.WeakKeyDictionary[Any, _ModelBuilderSettings] = weakref.WeakKeyDictionary()
    make, set_time, set_parameters = kind.__init__, kind.set_time_limit_in_seconds, kind.set_solver_specific_parameters

    @disguised_as(make)
    def make_noted(self: Any, solver_name: Any) -> None:
        make(self, solver_name)
        with harmless():
            settings[self] = _ModelBuilderSettings(name=str(solver_name).upper())

    @disguised_as(set_time)
    def set_time_noted(self: Any, *arguments: Any, **options: Any) -> Any:
        with harmless():
            settings.setdefault(self, _ModelBuilderSettings()).time = True
        return set_time(self, *arguments, **options)

    @disguised_as(set_parameters)
    def set_parameters_noted(self: Any, *arguments: Any, **options: Any) -> Any:
        with harmless():
            settings.setdefault(self, _ModelBuilderSettings()).parameters = True
        return set_parameters(self, *arguments, **options)

    def solve(call: Call) -> Watcher:
        solver = call.arguments[0]
        model = call.arguments[1] if len(call.arguments) > 1 else call.options["model"]
        given = settings.get(solver, _ModelBuilderSettings())
        name = "CP-SAT" if given.name in ("SAT", "CP_SAT", "CP-SAT") else given.name
        lent = name == "CP-SAT" and not given.parameters
        if lent:
            set_parameters(solver, "num_workers: 1")  # The others have one thread unless told.
        if call.seconds_left is not None and not given.time:
            set_time(solver, call.seconds_left)
        outcome = yield
        if lent:
            set_parameters(solver, "")
        if outcome.error:
            return None
        return lambda: _report(solver, model, outcome.value, name, outcome.seconds)

    kind.__init__ = make_noted
    kind.set_time_limit_in_seconds = set_time_noted
    kind.set_solver_specific_parameters = set_parameters_noted
    watch_function(kind, "solve", channel, solve)


def _report(solver: Any, model: Any, status: Any, name: str, seconds: float) -> SolverReport:
    solve_status = _STATUS.get(status.name, "error")
    helper = model.helper
    number = range(helper.num_variables())
    has_objective = bool(helper.objective_offset()) or any(helper.var_objective_coefficient(i) for i in number)
    variables = count((helper.var_is_integral(i), helper.var_lower_bound(i), helper.var_upper_bound(i)) for i in number)
    objective = bound = None
    if has_objective and solve_status in ("optimal", "feasible"):
        objective = solver.objective_value
        if (variables[1] or variables[2]) and name not in _LINEAR:
            bound = solver.best_objective_bound
        elif solve_status == "optimal":
            bound = objective  # A linear program's optimum is its own proof.
    return report(
        library="ortools.model_builder",
        solver=name,
        status=solve_status,
        sense=direction(helper.maximize()) if has_objective else None,
        objective=objective,
        bound=bound,
        variables=variables,
        constraints=helper.num_constraints(),
        seconds=seconds,
    )
