"""Watching gurobipy: `Model.optimize`. A model that is solved with `optimizeAsync` is not seen.

Lent are a time limit and one thread; both stand in Gurobi's log, among the parameters that are not at their default.
"""

from __future__ import annotations

import contextlib
import io
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import INFINITE, direction, report, stopped
from storm_calm.sandbox.probe.watching import Call, SolveOutcome, TemporarySettings, Watcher
from storm_calm.sandbox.probe.watching import watch as watch_function

# By the library's own numbers; not in here: it stopped early, at one of its many limits.
_STATUS: dict[int, SolveStatus] = {
    2: "optimal",
    3: "infeasible",
    4: "infeasible",
    5: "unbounded",
    12: "error",
}


def watch(library: ModuleType, channel: Channel) -> None:
    """Report every solve of the library on `channel`."""
    watch_function(library.Model, "optimize", channel, _solve)


def _solve(call: Call) -> Watcher:
    model = call.arguments[0]
    lent = TemporarySettings(lambda name, value: _set(model, name, value))
    time_limit = model.getParamInfo("TimeLimit")[2]
    if call.seconds_left is not None and time_limit >= INFINITE:
        lent.lend("TimeLimit", time_limit, time_limit, call.seconds_left)
    lent.lend("Threads", model.getParamInfo("Threads")[2], 0, 1)
    outcome = yield
    lent.take_back()
    if outcome.error and type(outcome.error).__name__ != "GurobiError":
        return None
    return lambda: _report(model, outcome)


def _set(model: Any, name: str, value: Any) -> None:
    with contextlib.redirect_stdout(io.StringIO()):  # It prints what it sets.
        model.setParam(name, value)


def _report(model: Any, outcome: SolveOutcome) -> SolverReport:
    has_solution = model.SolCount > 0
    solve_status: SolveStatus = "error" if outcome.error else _STATUS.get(model.Status) or stopped(has_solution)
    has_objective = bool(model.IsQP or model.ObjCon or any(model.getAttr("Obj")))
    return report(
        library="gurobipy",
        solver="GUROBI",
        status=solve_status,
        sense=direction(model.ModelSense < 0) if has_objective else None,
        objective=getattr(model, "ObjVal", None) if has_solution else None,
        bound=getattr(model, "ObjBound", None),
        variables=(model.NumVars - model.NumIntVars, model.NumIntVars - model.NumBinVars, model.NumBinVars),
        constraints=model.NumConstrs + model.NumQConstrs + model.NumSOS + model.NumGenConstrs,
        seconds=outcome.seconds,
    )
