"""Watching highspy: `Highs.run` and `Highs.solve`, which `minimize`, `maximize` and `optimize` go through.

Lent are a time limit and one thread. A process of HiGHS can't change its number of threads, it fails instead; so where
the number is lent, the scheduler that holds them is dropped before and after, and the program finds none,
as in a new process. A solve begun with `startSolve` is not seen.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel, harmless
from storm_calm.sandbox.probe.reports import count, direction, report, stopped
from storm_calm.sandbox.probe.watching import Call, SolveOutcome, TemporarySettings, Watcher
from storm_calm.sandbox.probe.watching import watch as watch_function

_STATUS: dict[str, SolveStatus] = {
    "kOptimal": "optimal",
    "kModelEmpty": "optimal",
    "kInfeasible": "infeasible",
    "kUnboundedOrInfeasible": "infeasible",
    "kUnbounded": "unbounded",
}
_STOPPED = (
    "kObjectiveBound",
    "kObjectiveTarget",
    "kTimeLimit",
    "kIterationLimit",
    "kSolutionLimit",
    "kInterrupt",
    "kHighsInterrupt",
    "kMemoryLimit",
    "kUnknown",
)
_FEASIBLE = 2  # of primal_solution_status


def watch(library: ModuleType, channel: Channel) -> None:
    """Report every solve of the library on `channel`."""
    for name in ("run", "solve"):
        watch_function(library.Highs, name, channel, _solve)


def _solve(call: Call) -> Watcher:
    highs = call.arguments[0]
    lent = TemporarySettings(highs.setOptionValue)
    if call.seconds_left is not None:
        # For a linear program the clock goes on from one run of an object to the next, and the limit with it.
        so_far = 0.0 if any(_whole(kind) for kind in highs.getLp().integrality_) else highs.getRunTime()
        limit = call.seconds_left + so_far
        lent.lend("time_limit", _option(highs, "time_limit"), float("inf"), limit)
    if _option(highs, "parallel") == "choose":
        lent.lend("threads", _option(highs, "threads"), 0, 1)
    if "threads" in lent.before:
        highs.resetGlobalScheduler(True)
    outcome = yield
    if "threads" in lent.before:
        with harmless():
            highs.resetGlobalScheduler(True)
    lent.take_back()
    if outcome.error:
        return None
    return lambda: _report(highs, outcome)


def _option(highs: Any, name: str) -> Any:
    return highs.getOptionValue(name)[1]


def _whole(kind: Any) -> bool:
    """Whether a variable is anything but continuous."""
    return bool(kind.name != "kContinuous")


def _report(highs: Any, outcome: SolveOutcome) -> SolverReport:
    word = highs.getModelStatus().name
    info = highs.getInfo()
    model = highs.getLp()
    solve_status = _STATUS.get(word, "error")
    if word in _STOPPED:
        solve_status = stopped(info.primal_solution_status == _FEASIBLE)
    if outcome.value is not None and outcome.value.name == "kError":
        solve_status = "error"
    kinds = [_whole(kind) for kind in model.integrality_]  # empty where all are continuous
    if any(kinds):
        variables = count(zip(kinds, model.col_lower_, model.col_upper_, strict=True))
        bound = info.mip_dual_bound
    else:
        variables = (model.num_col_, 0, 0)
        bound = info.objective_function_value if solve_status == "optimal" else None
    has_objective = bool(model.offset_) or any(model.col_cost_) or highs.getHessianNumNz() > 0
    return report(
        library="highspy",
        solver="HIGHS",
        status=solve_status,
        sense=direction(model.sense_.name == "kMaximize") if has_objective else None,
        objective=info.objective_function_value,
        bound=bound,
        variables=variables,
        constraints=model.num_row_,
        seconds=outcome.seconds,
    )
