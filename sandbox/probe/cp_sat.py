"""Watching CP-SAT: `ortools.sat.python.cp_model.CpSolver.solve`, which all other ways to solve call."""

import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.program_names import program_names
from storm_calm.sandbox.probe.reports import Variables, report
from storm_calm.sandbox.probe.solve_record import NotRecordedError, SolveRecord, check_size
from storm_calm.sandbox.probe.status_words import CP_SAT
from storm_calm.sandbox.probe.watching import Call, Solved, SolveOutcome, Watcher, watch_function

_LONGEST_TEXT = 1_500_000  # characters of a model that is recorded
# Parameters that limit threads or time; if the program set one of a kind, the probe sets none of that kind.
_WORKERS = ("num_workers", "num_search_workers")
_TIMES = ("max_time_in_seconds", "max_deterministic_time")


def watch(library: ModuleType, channel: Channel) -> None:
    watch_function(library.CpSolver, "solve", channel, _solve)


def _solve(call: Call) -> Watcher:
    solver = call.arguments[0]
    model = call.arguments[1] if len(call.arguments) > 1 else call.options["model"]
    changed = _set_unset_parameters(solver.parameters, call.seconds_left)
    outcome = yield
    with suppress(Exception):
        for name in changed:
            _clear(solver.parameters, name)
    return Solved(report=lambda: _report(solver, model, outcome), record=lambda: _record(solver, model, outcome))


def _set_unset_parameters(parameters: Any, seconds: float | None) -> list[str]:
    """Set one worker and a time limit if the program set none, and return the names of the changed parameters."""
    # The text form of a protocol buffer has only the fields that are set.
    given = {line.partition(":")[0].strip() for line in str(parameters).replace(" ", "\n").splitlines()}
    changed = []
    if not given.intersection(_WORKERS):
        parameters.num_workers = 1
        changed.append("num_workers")
    if seconds is not None and not given.intersection(_TIMES):
        parameters.max_time_in_seconds = seconds
        changed.append("max_time_in_seconds")
    return changed


def _clear(parameters: Any, name: str) -> None:
    clear = getattr(parameters, f"clear_{name}", None)
    if clear:
        clear()
    else:  # Before ortools 9.15, the parameters are a Python protocol buffer.
        parameters.ClearField(name)


def _report(solver: Any, model: Any, outcome: SolveOutcome) -> SolverReport:
    proto = model.proto if hasattr(model, "proto") else model.Proto()
    solve_status = CP_SAT.status(solver.status_name(outcome.value))
    objective = _objective(proto) if model.has_objective() else None
    has_objective = objective is not None and len(objective.vars) > 0
    solved = has_objective and solve_status in ("optimal", "feasible")
    domains = [set(variable.domain) for variable in proto.variables]
    binary = sum(domain <= {0, 1} for domain in domains)
    fixed = sum(len(domain) == 1 for domain in domains)
    return report(
        library="ortools.cp_model",
        solver="CP-SAT",
        status=solve_status,
        maximize=_maximizes(objective) if has_objective else None,
        objective=solver.objective_value if solved else None,
        bound=solver.best_objective_bound if solved else None,
        variables=Variables(0, len(domains) - binary, binary, fixed),
        constraints=len(proto.constraints),
        seconds=outcome.seconds,
    )


def _record(solver: Any, model: Any, outcome: SolveOutcome) -> SolveRecord:
    proto = model.proto if hasattr(model, "proto") else model.Proto()
    check_size(len(proto.variables), len(proto.constraints))
    text = str(proto)
    if len(text) > _LONGEST_TEXT:
        raise NotRecordedError(f"the text of the model has {len(text)} characters, more than {_LONGEST_TEXT}")
    response = solver.response_proto if hasattr(solver, "response_proto") else solver.ResponseProto()
    solved = CP_SAT.status(solver.status_name(outcome.value)) in ("optimal", "feasible")
    names = [variable.name for variable in proto.variables]
    if not all(names):
        own = program_names(sys.modules["ortools.sat.python.cp_model"].IntVar, lambda variable: variable.index)
        names = [name or own.get(number, "") for number, name in enumerate(names)]
    return SolveRecord(
        variables=names,
        values=list(response.solution) if solved else None,
        constraints=[constraint.name for constraint in proto.constraints],
        model={"kind": "cp_sat", "text": text},
    )


def _objective(proto: Any) -> Any:
    """Return the objective of a model that has one, with integer or with real coefficients."""
    # Check the presence first: in some versions, reading an absent field creates it and makes the model invalid.
    has_float_objective = getattr(proto, "has_floating_point_objective", None)
    if has_float_objective() if has_float_objective else proto.HasField("floating_point_objective"):
        return proto.floating_point_objective
    return proto.objective


def _maximizes(objective: Any) -> bool:
    if hasattr(objective, "maximize"):
        return bool(objective.maximize)
    # CP-SAT minimizes; an objective to maximize is stored negated, with a negative scaling factor.
    return bool(objective.scaling_factor < 0)
