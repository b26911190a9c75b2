"""Watching PySCIPOpt: `Model.optimize`, `optimizeNogil` and `solveConcurrent`.

Lent is a time limit. SCIP has one thread and a fixed seed unless told.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import count, direction, report, stopped
from storm_calm.sandbox.probe.watching import Call, SolveOutcome, TemporarySettings, Watcher
from storm_calm.sandbox.probe.watching import watch as watch_function

# Not in here: it stopped early, at one of its many limits.
_STATUS: dict[str, SolveStatus] = {
    "optimal": "optimal",
    "infeasible": "infeasible",
    "inforunbd": "infeasible",
    "unbounded": "unbounded",
}
_SOLVING = 4  # the first stage in which a solve has begun: its clock goes on with the next call


def watch(library: ModuleType, channel: Channel) -> None:
    """Report every solve of the library on `channel`."""
    for name in ("optimize", "optimizeNogil", "solveConcurrent"):
        if hasattr(library.Model, name):
            watch_function(library.Model, name, channel, _solve)


def _solve(call: Call) -> Watcher:
    model = call.arguments[0]
    lent = TemporarySettings(model.setParam)
    if call.seconds_left is not None:
        so_far = model.getSolvingTime() if model.getStage() >= _SOLVING else 0.0
        lent.lend("limits/time", model.getParam("limits/time"), 1e20, call.seconds_left + so_far)
    outcome = yield
    lent.take_back()
    if outcome.error:
        return None
    return lambda: _report(model, outcome)


def _report(model: Any, outcome: SolveOutcome) -> SolverReport:
    has_solution = model.getNSols() > 0
    solve_status = _STATUS.get(model.getStatus()) or stopped(has_solution)
    variables = model.getVars()
    has_objective = any(variable.getObj() for variable in variables) or bool(model.getObjoffset())
    return report(
        library="pyscipopt",
        solver="SCIP",
        status=solve_status,
        sense=direction(model.getObjectiveSense() == "maximize") if has_objective else None,
        objective=model.getObjVal() if has_solution and solve_status in ("optimal", "feasible") else None,
        bound=model.getDualbound(),
        variables=count(
            (variable.vtype() != "CONTINUOUS", variable.getLbOriginal(), variable.getUbOriginal())
            for variable in variables
        ),
        constraints=model.getNConss(False),
        seconds=outcome.seconds,
    )
