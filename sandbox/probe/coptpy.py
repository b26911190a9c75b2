"""Watching coptpy: `Model.solve` and `Model.solveLP`. Sets a time limit and one thread, which the log shows."""

from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import INFINITE, count, report
from storm_calm.sandbox.probe.status_words import COPT
from storm_calm.sandbox.probe.watching import (
    Call,
    Solved,
    SolveOutcome,
    TemporarySettings,
    Watcher,
    silent,
    watch_function,
)

_CONSTRAINTS = ("Rows", "QConstrs", "Soss", "Indicators", "Cones", "ExpCones", "PSDConstrs", "AffineCones", "NLConstrs")


def watch(library: ModuleType, channel: Channel) -> None:
    for name in ("solve", "solveLP"):
        watch_function(library.Model, name, channel, _solve, reported_errors=("CoptError",))


def _solve(call: Call) -> Watcher:
    model = call.arguments[0]
    settings = TemporarySettings(silent(model.setParam))
    if call.seconds_left is not None:
        settings.set_if_unset("TimeLimit", model.getParam("TimeLimit"), INFINITE, call.seconds_left)
    settings.set_if_unset("Threads", model.getParam("Threads"), -1, 1)
    outcome = yield
    settings.restore()
    return Solved(report=lambda: _report(model, outcome))


def _report(model: Any, outcome: SolveOutcome) -> SolverReport:
    whole = bool(model.IsMIP)
    has_solution = bool(model.HasMipSol if whole else model.HasLpSol)
    variables = model.getVars().getAll()
    has_objective = any(variable.Obj for variable in variables) or model.QElems > 0
    return report(
        library="coptpy",
        solver="COPT",
        status="error" if outcome.error else COPT.status(model.Status, has_solution=has_solution),
        maximize=model.ObjSense < 0 if has_objective else None,
        objective=model.ObjVal if has_solution else None,
        bound=model.BestBnd if whole else None,
        convex=not whole,
        variables=count((variable.getType() != "C", variable.LB, variable.UB) for variable in variables),
        constraints=sum(getattr(model, name, 0) for name in _CONSTRAINTS),
        seconds=outcome.seconds,
    )
