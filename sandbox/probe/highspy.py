"""Watching highspy: `Highs.run` and `Highs.solve`, which `minimize`, `maximize` and `optimize` call.

Sets a time limit and one thread. HiGHS fails if the number of threads changes within a process, so the watcher resets
its global scheduler before and after such a solve. Solves started with `startSolve` are not seen.
"""

from contextlib import suppress
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import count, report
from storm_calm.sandbox.probe.status_words import HIGHS
from storm_calm.sandbox.probe.watching import Call, Solved, SolveOutcome, TemporarySettings, Watcher, watch_function

_FEASIBLE = 2  # a value of primal_solution_status


def watch(library: ModuleType, channel: Channel) -> None:
    for name in ("run", "solve"):
        watch_function(library.Highs, name, channel, _solve)


def _solve(call: Call) -> Watcher:
    highs = call.arguments[0]
    settings = TemporarySettings(highs.setOptionValue)
    if call.seconds_left is not None:
        # For linear programs, the clock continues from the previous run of the object, and the limit includes it.
        elapsed = 0.0 if any(_integrality(highs.getLp())) else highs.getRunTime()
        settings.set_if_unset("time_limit", _option(highs, "time_limit"), float("inf"), call.seconds_left + elapsed)
    if _option(highs, "parallel") == "choose":
        settings.set_if_unset("threads", _option(highs, "threads"), 0, 1)
    changes_threads = "threads" in settings.previous
    if changes_threads:
        highs.resetGlobalScheduler(True)
    outcome = yield
    if changes_threads:
        with suppress(Exception):
            highs.resetGlobalScheduler(True)
    settings.restore()
    return Solved(report=lambda: _report(highs, outcome))


def _integrality(model: Any) -> list[bool]:
    return [kind.name != "kContinuous" for kind in model.integrality_]  # empty if all variables are continuous


def _option(highs: Any, name: str) -> Any:
    return highs.getOptionValue(name)[1]


def _report(highs: Any, outcome: SolveOutcome) -> SolverReport:
    info = highs.getInfo()
    model = highs.getLp()
    solve_status = HIGHS.status(int(highs.getModelStatus()), has_solution=info.primal_solution_status == _FEASIBLE)
    if outcome.value is not None and outcome.value.name == "kError":
        solve_status = "error"
    integrality = _integrality(model)
    is_mip = any(integrality)
    variables = count(zip(integrality or [False] * model.num_col_, model.col_lower_, model.col_upper_, strict=True))
    has_objective = any(model.col_cost_) or highs.getHessianNumNz() > 0
    return report(
        library="highspy",
        solver="HIGHS",
        status=solve_status,
        maximize=model.sense_.name == "kMaximize" if has_objective else None,
        objective=info.objective_function_value,
        bound=info.mip_dual_bound if is_mip else None,
        convex=not is_mip,
        variables=variables,
        constraints=model.num_row_,
        seconds=outcome.seconds,
    )
