"""Watching coptpy: `Model.solve` and `Model.solveLP`.

Lent are a time limit and one thread; the log says so.
"""

from __future__ import annotations

import contextlib
import io
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import count, direction, report, stopped
from storm_calm.sandbox.probe.watching import Call, SolveOutcome, TemporarySettings, Watcher
from storm_calm.sandbox.probe.watching import watch as watch_function

# By the library's own numbers; not in here: it stopped early, at one of its limits.
_STATUS: dict[int, SolveStatus] = {
    0: "error",
    1: "optimal",
    2: "infeasible",
    3: "unbounded",
    4: "infeasible",
    5: "error",
}
_OF_MODEL = ("Rows", "QConstrs", "Soss", "Indicators", "Cones", "ExpCones", "PSDConstrs", "AffineCones", "NLConstrs")


def watch(library: ModuleType, channel: Channel) -> None:
    """Report every solve of the library on `channel`."""
    for name in ("solve", "solveLP"):
        watch_function(library.Model, name, channel, _solve)


def _solve(call: Call) -> Watcher:
    model = call.arguments[0]
    lent = TemporarySettings(lambda name, value: _set(model, name, value))
    if call.seconds_left is not None:
        lent.lend("TimeLimit", model.getParam("TimeLimit"), 1e20, call.seconds_left)
    lent.lend("Threads", model.getParam("Threads"), -1, 1)
    outcome = yield
    lent.take_back()
    if outcome.error and type(outcome.error).__name__ != "CoptError":
        return None
    return lambda: _report(model, outcome)


def _set(model: Any, name: str, value: Any) -> None:
    with contextlib.redirect_stdout(io.StringIO()):  # It prints what it sets.
        model.setParam(name, value)


def _report(model: Any, outcome: SolveOutcome) -> SolverReport:
    whole = bool(model.IsMIP)
    has_solution = bool(model.HasMipSol if whole else model.HasLpSol)
    solve_status: SolveStatus = "error" if outcome.error else _STATUS.get(model.Status) or stopped(has_solution)
    variables = model.getVars().getAll()
    has_objective = bool(model.ObjConst) or any(variable.Obj for variable in variables) or model.QElems > 0
    objective = model.ObjVal if has_solution else None
    bound = objective if solve_status == "optimal" else None  # A convex program's optimum is its own proof.
    return report(
        library="coptpy",
        solver="COPT",
        status=solve_status,
        sense=direction(model.ObjSense < 0) if has_objective else None,
        objective=objective,
        bound=model.BestBnd if whole else bound,
        variables=count((variable.getType() != "C", variable.LB, variable.UB) for variable in variables),
        constraints=sum(getattr(model, name, 0) for name in _OF_MODEL),
        seconds=outcome.seconds,
    )
