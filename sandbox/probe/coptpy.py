"""Watching coptpy: `Model.solve` and `Model.solveLP`. Sets a time limit and one thread, which the log shows."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import INFINITE, count, report
from storm_calm.sandbox.probe.solve_record import (
    LinearModel,
    SolveRecord,
    check_size,
    text_model,
)
from storm_calm.sandbox.probe.status_words import COPT
from storm_calm.sandbox.probe.watching import (
    Call,
    RecordedCalls,
    Solved,
    SolveOutcome,
    TemporarySettings,
    Watcher,
    silent,
    watch_function,
)

_CONSTRAINTS = ("Rows", "QConstrs", "Soss", "Indicators", "Cones", "ExpCones", "PSDConstrs", "AffineCones", "NLConstrs")
# Attributes of the parts of a model that a `LinearModel` cannot hold, with the names of the parts.
_OTHER_PARTS = {
    "QConstrs": "quadratic constraints",
    "Soss": "special ordered sets",
    "Indicators": "indicator constraints",
    "Cones": "cones",
    "ExpCones": "exponential cones",
    "AffineCones": "affine cones",
    "PSDCols": "semidefinite variables",
    "PSDConstrs": "semidefinite constraints",
    "LMIConstrs": "linear matrix inequalities",
    "NLConstrs": "nonlinear constraints",
    "HasNLObj": "a nonlinear objective",
    "MultiObjs": "several objectives",
}
# Parts that the library cannot write to an LP file, or leaves out.
_NOT_IN_LP_FILES = ("ExpCones", "AffineCones", "PSDCols", "PSDConstrs", "LMIConstrs", "NLConstrs", "HasNLObj")
_LAZY = ("addLazyConstr", "addLazyConstrs")


def watch(library: ModuleType, channel: Channel) -> None:
    calls = RecordedCalls()
    for name in _LAZY:
        if hasattr(library.Model, name):
            calls.record(library.Model, name)  # The library does not count these constraints.

    def is_lazy(model: Any) -> bool:
        return bool(calls.of(model) or library.CallbackBase.__subclasses__())

    for name in ("solve", "solveLP"):
        watcher = partial(_solve, is_lazy=is_lazy)
        watch_function(library.Model, name, channel, watcher, reported_errors=("CoptError",))


def _solve(call: Call, is_lazy: Callable[[Any], bool]) -> Watcher:
    model = call.arguments[0]
    settings = TemporarySettings(silent(model.setParam))
    if call.seconds_left is not None:
        settings.set_if_unset("TimeLimit", model.getParam("TimeLimit"), INFINITE, call.seconds_left)
    settings.set_if_unset("Threads", model.getParam("Threads"), -1, 1)
    outcome = yield
    settings.restore()
    return Solved(
        report=lambda: _report(model, outcome), record=lambda: _record(model, outcome, may_be_lazy=is_lazy(model))
    )


def _has_solution(model: Any) -> bool:
    return bool(model.HasMipSol if model.IsMIP else model.HasLpSol)


def _status(model: Any, outcome: SolveOutcome) -> SolveStatus:
    return "error" if outcome.error else COPT.status(model.Status, has_solution=_has_solution(model))


def _report(model: Any, outcome: SolveOutcome) -> SolverReport:
    whole = bool(model.IsMIP)
    variables = model.getVars().getAll()
    has_objective = any(variable.Obj for variable in variables) or model.QElems > 0
    return report(
        library="coptpy",
        solver="COPT",
        status=_status(model, outcome),
        maximize=model.ObjSense < 0 if has_objective else None,
        objective=model.ObjVal if _has_solution(model) else None,
        bound=model.BestBnd if whole else None,
        convex=not whole,
        variables=count((variable.getType() != "C", variable.LB, variable.UB) for variable in variables),
        constraints=sum(getattr(model, name, 0) for name in _CONSTRAINTS),
        seconds=outcome.seconds,
    )


def _record(model: Any, outcome: SolveOutcome, *, may_be_lazy: bool) -> SolveRecord:
    check_size(model.Cols, sum(getattr(model, name, 0) for name in _CONSTRAINTS), model.Elems + model.QElems)
    solved = _status(model, outcome) in ("optimal", "feasible")
    record = SolveRecord(
        variables=[variable.getName() for variable in model.getVars().getAll()],
        values=model.getValues() if solved else None,
        constraints=[row.getName() for row in model.getConstrs().getAll()],
    )
    others = [part for name, part in _OTHER_PARTS.items() if getattr(model, name, 0)]
    if may_be_lazy:
        others.append("lazy constraints, or a callback that can add some")
    if others:
        record.omitted = f"it has {' and '.join(others)}"
        if not any(getattr(model, name, 0) for name in _NOT_IN_LP_FILES):
            record.model = _text(model)
        return record
    record.model = _linear(model)
    if solved and not model.IsMIP:
        record.reduced_costs, record.duals = model.getRedcosts(), model.getDuals()
    return record


def _linear(model: Any) -> LinearModel:
    variables, rows = model.getVars(), model.getConstrs()
    linear = LinearModel(maximize=model.ObjSense < 0, offset=model.ObjConst)
    columns = [model.getInfo(name, variables) for name in ("LB", "UB", "Obj")]
    for lower, upper, cost, kind in zip(*columns, model.getVarType(variables), strict=True):
        linear.add_variable(lower, upper, integer=kind != "C", cost=cost)
    # `getA` would import SciPy. The underlying objects in `this` make reading the rows ten times as fast.
    for row, lower, upper in zip(rows.getAll(), model.getInfo("LB", rows), model.getInfo("UB", rows), strict=True):
        terms = model.getRow(row)
        places = range(terms.getSize())
        variable = terms.this.GetVar
        linear.add_row(
            [variable(place).GetIdx() for place in places], [terms.getCoeff(place) for place in places], lower, upper
        )
    if model.QElems:
        goal = model.getObjective()
        for place in range(goal.getSize()):
            first, second = goal.getVar1(place).getIdx(), goal.getVar2(place).getIdx()
            linear.quadratic.append((first, second, goal.getCoeff(place)))
    return linear


def _text(model: Any) -> dict[str, Any]:
    copy = model.clone()  # The model itself would log the writing.
    silent(copy.setParam)("Logging", 0)
    return text_model(silent(copy.writeLp), "lp")
