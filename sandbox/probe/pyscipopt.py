"""Watching PySCIPOpt: `Model.optimize`, `optimizeNogil` and `solveConcurrent`.

Sets a time limit. SCIP has one thread and a fixed seed by default.
"""

from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import INFINITE, count, report
from storm_calm.sandbox.probe.status_words import SCIP
from storm_calm.sandbox.probe.watching import Call, Solved, SolveOutcome, TemporarySettings, Watcher, watch_function

_SOLVING = 4  # the first stage after a solve has begun; from here on, the clock includes earlier calls


def watch(library: ModuleType, channel: Channel) -> None:
    for name in ("optimize", "optimizeNogil", "solveConcurrent"):
        if hasattr(library.Model, name):
            watch_function(library.Model, name, channel, _solve)


def _solve(call: Call) -> Watcher:
    model = call.arguments[0]
    settings = TemporarySettings(model.setParam)
    if call.seconds_left is not None:
        elapsed = model.getSolvingTime() if model.getStage() >= _SOLVING else 0.0
        settings.set_if_unset("limits/time", model.getParam("limits/time"), INFINITE, call.seconds_left + elapsed)
    outcome = yield
    settings.restore()
    return Solved(report=lambda: _report(model, outcome))


def _report(model: Any, outcome: SolveOutcome) -> SolverReport:
    has_solution = model.getNSols() > 0
    solve_status = SCIP.status(model.getStatus(), has_solution=has_solution)
    variables = model.getVars()
    has_objective = any(variable.getObj() for variable in variables)
    return report(
        library="pyscipopt",
        solver="SCIP",
        status=solve_status,
        maximize=model.getObjectiveSense() == "maximize" if has_objective else None,
        objective=model.getObjVal() if has_solution and solve_status in ("optimal", "feasible") else None,
        bound=model.getDualbound(),
        variables=count((x.vtype() != "CONTINUOUS", x.getLbOriginal(), x.getUbOriginal()) for x in variables),
        constraints=model.getNConss(False),
        seconds=outcome.seconds,
    )
