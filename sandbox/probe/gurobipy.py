"""Watching gurobipy: `Model.optimize`. Models solved with `optimizeAsync` are not seen.

Sets a time limit and one thread, which Gurobi's log shows among the changed parameters.
"""

from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import INFINITE, Variables, report
from storm_calm.sandbox.probe.status_words import GUROBI
from storm_calm.sandbox.probe.watching import (
    Call,
    Solved,
    SolveOutcome,
    TemporarySettings,
    Watcher,
    silent,
    watch_function,
)


def watch(library: ModuleType, channel: Channel) -> None:
    watch_function(library.Model, "optimize", channel, _solve, reported_errors=("GurobiError",))


def _solve(call: Call) -> Watcher:
    model = call.arguments[0]
    settings = TemporarySettings(silent(model.setParam))
    time_limit = model.getParamInfo("TimeLimit")[2]
    if call.seconds_left is not None and time_limit >= INFINITE:
        settings.set_if_unset("TimeLimit", time_limit, time_limit, call.seconds_left)
    settings.set_if_unset("Threads", model.getParamInfo("Threads")[2], 0, 1)
    outcome = yield
    settings.restore()
    return Solved(report=lambda: _report(model, outcome))


def _report(model: Any, outcome: SolveOutcome) -> SolverReport:
    has_solution = model.SolCount > 0
    has_objective = bool(model.IsQP or any(model.getAttr("Obj")))
    return report(
        library="gurobipy",
        solver="GUROBI",
        status="error" if outcome.error else GUROBI.status(model.Status, has_solution=has_solution),
        maximize=model.ModelSense < 0 if has_objective else None,
        objective=getattr(model, "ObjVal", None) if has_solution else None,
        bound=getattr(model, "ObjBound", None),
        variables=_variables(model),
        constraints=model.NumConstrs + model.NumQConstrs + model.NumSOS + model.NumGenConstrs,
        seconds=outcome.seconds,
    )


def _variables(model: Any) -> Variables:
    sides = zip(model.getAttr("LB"), model.getAttr("UB"), strict=True)
    fixed = sum(lower == upper for lower, upper in sides)
    return Variables(model.NumVars - model.NumIntVars, model.NumIntVars - model.NumBinVars, model.NumBinVars, fixed)
