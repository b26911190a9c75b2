"""Watching gurobipy: `Model.optimize`. Models solved with `optimizeAsync` are not seen.

Sets a time limit and one thread, which Gurobi's log shows among the changed parameters.
"""

from contextlib import suppress
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import INFINITE, Variables, report
from storm_calm.sandbox.probe.solve_record import (
    LinearModel,
    SolveRecord,
    check_size,
    text_model,
)
from storm_calm.sandbox.probe.status_words import GUROBI
from storm_calm.sandbox.probe.watching import (
    Call,
    Solved,
    SolveOutcome,
    TemporarySettings,
    Watcher,
    silent,
    watch_function,
)

# Attributes that count the parts of a model that a `LinearModel` cannot hold, with the names of the parts.
_OTHER_PARTS = {
    "NumQConstrs": "quadratic constraints",
    "NumGenConstrs": "general constraints",
    "NumSOS": "special ordered sets",
    "NumPWLObjVars": "a piecewise-linear objective",
    "IsMultiObj": "several objectives",
    "NumScenarios": "several scenarios",
}
_SEMI = {"S", "N"}  # semi-continuous and semi-integer variables


def watch(library: ModuleType, channel: Channel) -> None:
    watch_function(library.Model, "optimize", channel, _solve, reported_errors=("GurobiError",))


def _solve(call: Call) -> Watcher:
    model = call.arguments[0]
    settings = TemporarySettings(silent(model.setParam))
    time_limit = model.getParamInfo("TimeLimit")[2]
    if call.seconds_left is not None and time_limit >= INFINITE:
        settings.set_if_unset("TimeLimit", time_limit, time_limit, call.seconds_left)
    settings.set_if_unset("Threads", model.getParamInfo("Threads")[2], 0, 1)
    outcome = yield
    settings.restore()
    return Solved(report=lambda: _report(model, outcome), record=lambda: _record(model, outcome))


def _status(model: Any, outcome: SolveOutcome) -> SolveStatus:
    return "error" if outcome.error else GUROBI.status(model.Status, has_solution=model.SolCount > 0)


def _report(model: Any, outcome: SolveOutcome) -> SolverReport:
    has_solution = model.SolCount > 0
    has_objective = bool(model.IsQP or any(model.getAttr("Obj")))
    return report(
        library="gurobipy",
        solver="GUROBI",
        status=_status(model, outcome),
        maximize=model.ModelSense < 0 if has_objective else None,
        objective=getattr(model, "ObjVal", None) if has_solution else None,
        bound=getattr(model, "ObjBound", None),
        variables=_variables(model),
        constraints=model.NumConstrs + model.NumQConstrs + model.NumSOS + model.NumGenConstrs,
        seconds=outcome.seconds,
    )


def _variables(model: Any) -> Variables:
    sides = zip(model.getAttr("LB"), model.getAttr("UB"), strict=True)
    fixed = sum(lower == upper for lower, upper in sides)
    return Variables(model.NumVars - model.NumIntVars, model.NumIntVars - model.NumBinVars, model.NumBinVars, fixed)


def _record(model: Any, outcome: SolveOutcome) -> SolveRecord:
    # The solve has applied all changes of the program, so reading does not need an update.
    other = sum(getattr(model, name) for name in ("NumQConstrs", "NumGenConstrs", "NumSOS"))
    check_size(model.NumVars, model.NumConstrs + other, model.NumNZs + model.NumQNZs + model.NumQCNZs)
    solved = _status(model, outcome) in ("optimal", "feasible")
    record = SolveRecord(
        variables=model.getAttr("VarName"),
        values=model.getAttr("X") if solved else None,
        constraints=model.getAttr("ConstrName"),
    )
    others = [part for name, part in _OTHER_PARTS.items() if getattr(model, name)]
    if not _SEMI.isdisjoint(model.getAttr("VType")):
        others.append("semi-continuous variables")
    if model.getParamInfo("LazyConstraints")[2]:
        others.append("lazy constraints")
    if others:
        record.model = _text(model)
        record.omitted = f"it has {' and '.join(others)}"
        return record
    record.model = _linear(model)
    if solved and not model.IsMIP:
        # Not for quadratic constraints: Gurobi would then print a warning, or start to compute them.
        record.reduced_costs, record.duals = _optional(model, "RC"), _optional(model, "Pi")
    return record


def _optional(model: Any, name: str) -> list[float] | None:
    """Return an attribute of the variables or constraints; None if the solve did not compute it."""
    with suppress(Exception):
        return list(model.getAttr(name))
    return None


def _linear(model: Any) -> LinearModel:
    linear = LinearModel(maximize=model.ModelSense < 0, offset=model.ObjCon)
    for lower, upper, cost, kind in zip(*(model.getAttr(name) for name in ("LB", "UB", "Obj", "VType")), strict=True):
        linear.add_variable(lower, upper, integer=kind != "C", cost=cost)
    # `getA` would import SciPy, which takes longer than reading the rows one by one.
    for row, sense, side in zip(model.getConstrs(), model.getAttr("Sense"), model.getAttr("RHS"), strict=True):
        terms = model.getRow(row)
        places = range(terms.size())
        linear.add_row(
            [terms.getVar(place).index for place in places],
            [terms.getCoeff(place) for place in places],
            side if sense != "<" else None,
            side if sense != ">" else None,
        )
    if model.NumQNZs:
        goal = model.getObjective()
        for place in range(goal.size()):
            first, second = goal.getVar1(place).index, goal.getVar2(place).index
            linear.quadratic.append((first, second, goal.getCoeff(place)))
    return linear


def _text(model: Any) -> dict[str, Any]:
    copy = model.copy()  # The model itself would write warnings about names to the program's log file.
    try:
        silent(copy.setParam)("OutputFlag", 0)
        return text_model(silent(copy.write), "lp")
    finally:
        copy.dispose()
