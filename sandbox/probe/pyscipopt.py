"""Watching PySCIPOpt: `Model.optimize`, `optimizeNogil` and `solveConcurrent`.

Sets a time limit. SCIP has one thread and a fixed seed by default.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import INFINITE, count, report
from storm_calm.sandbox.probe.solve_record import (
    LinearModel,
    NotRecordedError,
    SolveRecord,
    check_size,
    text_model,
)
from storm_calm.sandbox.probe.status_words import SCIP
from storm_calm.sandbox.probe.watching import Call, Solved, SolveOutcome, TemporarySettings, Watcher, watch_function

_SOLVING = 4  # the first stage after a solve has begun; from here on, the clock includes earlier calls
# The settings with which the library gives duals. Otherwise they are 0 for what presolving or propagation removed.
_FOR_DUALS = {"presolving/maxrounds": 0, "propagating/maxroundsroot": 0, "heuristics/trivial/freq": -1}
# Base classes with which a program can add constraints or variables during the solve.
_EXTENSIONS = {"Conshdlr": "a constraint handler", "Pricer": "a pricer", "Benders": "a Benders decomposition"}


def watch(library: ModuleType, channel: Channel) -> None:
    for name in ("optimize", "optimizeNogil", "solveConcurrent"):
        if hasattr(library.Model, name):
            watch_function(library.Model, name, channel, partial(_solve, library=library))


def _solve(call: Call, library: ModuleType) -> Watcher:
    model = call.arguments[0]
    settings = TemporarySettings(model.setParam)
    if call.seconds_left is not None:
        elapsed = model.getSolvingTime() if model.getStage() >= _SOLVING else 0.0
        settings.set_if_unset("limits/time", model.getParam("limits/time"), INFINITE, call.seconds_left + elapsed)
    outcome = yield
    settings.restore()
    return Solved(report=lambda: _report(model, outcome), record=lambda: _record(model, library))


def _status(model: Any) -> SolveStatus:
    return SCIP.status(model.getStatus(), has_solution=model.getNSols() > 0)


def _report(model: Any, outcome: SolveOutcome) -> SolverReport:
    has_solution = model.getNSols() > 0
    solve_status = _status(model)
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


def _record(model: Any, library: ModuleType) -> SolveRecord:
    check_size(model.getNVars(False), model.getNConss(False))
    variables, rows = model.getVars(), model.getConss(False)
    record = SolveRecord(variables=[variable.name for variable in variables], constraints=[row.name for row in rows])
    solve_status = _status(model)
    if model.getNSols() > 0 and solve_status in ("optimal", "feasible"):
        solution = model.getBestSol()
        record.values = [solution[variable] for variable in variables]
    kinds = {row.getConshdlrName() for row in rows} - {"linear"}
    others = [f"{kind} constraints" for kind in sorted(kinds)]
    others += [name for kind, name in _EXTENSIONS.items() if getattr(library, kind).__subclasses__()]
    if others:
        record.model = _text(model)
        record.omitted = f"it has {' and '.join(others)}"
        return record
    check_size(len(variables), len(rows), sum(model.getConsNVars(row) for row in rows))
    record.model = _linear(model, variables, rows)
    if solve_status == "optimal" and not record.model.integer and _has_duals(model):
        record.reduced_costs = [model.getVarRedcost(variable) for variable in variables]
        record.duals = [model.getDualSolVal(row) for row in rows]
    return record


def _has_duals(model: Any) -> bool:
    """Return whether the duals of the last linear program are those of the program's model.

    Even then, a row with one variable may have become a bound. Its dual is then also the variable's reduced cost.
    """
    return model.getNLPs() > 0 and all(model.getParam(name) == value for name, value in _FOR_DUALS.items())


def _linear(model: Any, variables: list[Any], rows: list[Any]) -> LinearModel:
    linear = LinearModel(maximize=model.getObjectiveSense() == "maximize", offset=model.getObjoffset())
    for x in variables:
        linear.add_variable(x.getLbOriginal(), x.getUbOriginal(), integer=x.vtype() != "CONTINUOUS", cost=x.getObj())
    position = {variable.getIndex(): number for number, variable in enumerate(variables)}
    for row in rows:
        columns = [position[variable.getIndex()] for variable in model.getConsVars(row)]
        # Before version 5.6, the library gives coefficients only by the variable's name.
        by_name = not hasattr(model, "getConsVals")
        values = list(model.getValsLinear(row).values()) if by_name else model.getConsVals(row)
        if len(columns) != len(values):
            raise NotRecordedError("two of its variables have the same name")
        linear.add_row(columns, values, model.getLhs(row), model.getRhs(row))
    return linear


def _text(model: Any) -> dict[str, Any]:
    def write(path: str) -> None:
        with _hidden_errors():
            model.writeProblem(path, verbose=False)

    return text_model(write, "cip")


@contextmanager
def _hidden_errors() -> Iterator[None]:
    """Discard standard error. The library warns there of equal names, and cannot tell if its output is hidden."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
