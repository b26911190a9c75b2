"""Watching CP-SAT: `ortools.sat.python.cp_model.CpSolver.solve`, which all other ways to solve go through."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel, harmless
from storm_calm.sandbox.probe.reports import direction, report
from storm_calm.sandbox.probe.watching import Call, Watcher
from storm_calm.sandbox.probe.watching import watch as watch_function

_STATUS: dict[str, SolveStatus] = {
    "OPTIMAL": "optimal",
    "FEASIBLE": "feasible",
    "INFEASIBLE": "infeasible",
    "MODEL_INVALID": "error",
    "UNKNOWN": "limit",
}
# The parameters that say how many threads, and how long; the program's own setting of one is left alone.
_WORKERS = ("num_workers", "num_search_workers")
_TIMES = ("max_time_in_seconds", "max_deterministic_time")


def watch(library: ModuleType, channel: Channel) -> None:
    """Report every solve of the library on `channel`."""
    watch_function(library.CpSolver, "solve", channel, _solve)


def _solve(call: Call) -> Watcher:
    solver = call.arguments[0]
    model = call.arguments[1] if len(call.arguments) > 1 else call.options["model"]
    lent = _lend(solver.parameters, call.seconds_left)
    outcome = yield
    with harmless():
        _take_back(solver.parameters, lent)
    if outcome.error:
        return None
    return lambda: _report(solver, model, outcome.value, outcome.seconds)


def given(parameters: Any) -> set[str]:
    """The names of the parameters that were set, of a protocol buffer as it prints itself."""
    return {line.partition(":")[0].strip() for line in str(parameters).replace(" ", "\n").splitlines()}


def _lend(parameters: Any, seconds: float | None) -> list[str]:
    """Set one worker and a time limit where the program set none; the names of what was set."""
    names = given(parameters)
    lent = []
    if not names.intersection(_WORKERS):
        parameters.num_workers = 1
        lent.append("num_workers")
    if seconds is not None and not names.intersection(_TIMES):
        parameters.max_time_in_seconds = seconds
        lent.append("max_time_in_seconds")
    return lent


def _take_back(parameters: Any, lent: list[str]) -> None:
    for name in lent:
        clear = getattr(parameters, f"clear_{name}", None)
        if clear:
            clear()
        else:  # Before ortools 9.15 the parameters are a protocol buffer of Python's.
            parameters.ClearField(name)


def _report(solver: Any, model: Any, status: Any, seconds: float) -> SolverReport:
    proto = model.proto if hasattr(model, "proto") else model.Proto()
    solve_status = _STATUS.get(solver.status_name(status), "error")
    has_objective = bool(model.has_objective())
    solved = has_objective and solve_status in ("optimal", "feasible")
    binary = sum(1 for variable in proto.variables if set(variable.domain) <= {0, 1})
    return report(
        library="ortools.cp_model",
        solver="CP-SAT",
        status=solve_status,
        sense=direction(_maximizes(proto)) if has_objective else None,
        objective=solver.objective_value if solved else None,
        bound=solver.best_objective_bound if solved else None,
        variables=(0, len(proto.variables) - binary, binary),
        constraints=len(proto.constraints),
        seconds=seconds,
    )


def _maximizes(proto: Any) -> bool:
    # Asked for first: in some versions merely reading the field makes it, and the model invalid.
    ask = getattr(proto, "has_floating_point_objective", None)
    if ask() if ask else proto.HasField("floating_point_objective"):
        return bool(proto.floating_point_objective.maximize)
    # CP-SAT minimizes; to maximize, the objective is kept with its sign and its scale turned.
    return bool(proto.objective.scaling_factor < 0)
