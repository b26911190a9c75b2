"""Watching CP-SAT: `ortools.sat.python.cp_model.CpSolver.solve`, which all other ways to solve go through."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from sandbox.execution import Sense, SolverReport, SolveStatus
from sandbox.probe.channel import Channel, Stopwatch, finite, gap, harmless, named_like

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
    original = library.CpSolver.solve

    @named_like(original)
    def solve(self: Any, model: Any, *arguments: Any, **options: Any) -> Any:
        lent: list[str] = []
        with harmless():
            lent = _lend(self.parameters, channel.seconds_left())
        watch = Stopwatch()
        try:
            status = original(self, model, *arguments, **options)
        finally:
            with harmless():
                _take_back(self.parameters, lent)
        with harmless():
            channel.send(_report(self, model, status, watch.seconds()))
        return status

    library.CpSolver.solve = solve


def _lend(parameters: Any, seconds: float | None) -> list[str]:
    """Set one worker and a time limit where the program set none; the names of what was set."""
    given = {line.partition(":")[0].strip() for line in str(parameters).replace(" ", "\n").splitlines()}
    lent = []
    if not given.intersection(_WORKERS):
        parameters.num_workers = 1
        lent.append("num_workers")
    if seconds is not None and not given.intersection(_TIMES):
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
    said = _STATUS.get(solver.status_name(status), "error")
    has_objective = bool(model.has_objective())
    objective = bound = None
    if has_objective and said in ("optimal", "feasible"):
        objective, bound = finite(solver.objective_value), finite(solver.best_objective_bound)
    binary = sum(1 for variable in proto.variables if set(variable.domain) <= {0, 1})
    return SolverReport(
        library="ortools.cp_model",
        solver="CP-SAT",
        status=said,
        sense=_sense(proto) if has_objective else None,
        objective=objective,
        bound=bound,
        gap=gap(objective, bound),
        integer=len(proto.variables) - binary,
        binary=binary,
        constraints=len(proto.constraints),
        seconds=seconds,
    )


def _sense(proto: Any) -> Sense:
    # Asked for first: in some versions merely reading the field makes it, and the model invalid.
    ask = getattr(proto, "has_floating_point_objective", None)
    if ask() if ask else proto.HasField("floating_point_objective"):
        return "maximize" if proto.floating_point_objective.maximize else "minimize"
    # CP-SAT minimizes; to maximize, the objective is kept with its sign and its scale turned.
    return "maximize" if proto.objective.scaling_factor < 0 else "minimize"
