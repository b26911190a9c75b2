"""Watching highspy: `Highs.run` and `Highs.solve`, which `minimize`, `maximize` and `optimize` call.

Sets a time limit and one thread. HiGHS fails if the number of threads changes within a process, so the watcher resets
its global scheduler before and after such a solve. Solves started with `startSolve` are not seen.
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.program_names import program_names
from storm_calm.sandbox.probe.reports import count, report
from storm_calm.sandbox.probe.solve_record import (
    LinearModel,
    SolveRecord,
    check_size,
    text_model,
)
from storm_calm.sandbox.probe.status_words import HIGHS
from storm_calm.sandbox.probe.watching import Call, Solved, SolveOutcome, TemporarySettings, Watcher, watch_function

_FEASIBLE = 2  # a value of primal_solution_status
_SEMI = {"kSemiContinuous", "kSemiInteger"}


def watch(library: ModuleType, channel: Channel) -> None:
    for name in ("run", "solve"):
        watch_function(library.Highs, name, channel, partial(_solve, library=library))


def _solve(call: Call, library: ModuleType) -> Watcher:
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
    return Solved(report=lambda: _report(highs, outcome), record=lambda: _record(highs, outcome, library))


def _integrality(model: Any) -> list[bool]:
    return [kind.name != "kContinuous" for kind in model.integrality_]  # empty if all variables are continuous


def _option(highs: Any, name: str) -> Any:
    return highs.getOptionValue(name)[1]


def _status(highs: Any, outcome: SolveOutcome) -> SolveStatus:
    if outcome.value is not None and outcome.value.name == "kError":
        return "error"
    has_solution = highs.getInfo().primal_solution_status == _FEASIBLE
    return HIGHS.status(int(highs.getModelStatus()), has_solution=has_solution)


def _report(highs: Any, outcome: SolveOutcome) -> SolverReport:
    info = highs.getInfo()
    model = highs.getLp()
    integrality = _integrality(model)
    is_mip = any(integrality)
    variables = count(zip(integrality or [False] * model.num_col_, model.col_lower_, model.col_upper_, strict=True))
    has_objective = any(model.col_cost_) or highs.getHessianNumNz() > 0
    return report(
        library="highspy",
        solver="HIGHS",
        status=_status(highs, outcome),
        maximize=model.sense_.name == "kMaximize" if has_objective else None,
        objective=info.objective_function_value,
        bound=info.mip_dual_bound if is_mip else None,
        convex=not is_mip,
        variables=variables,
        constraints=model.num_row_,
        seconds=outcome.seconds,
    )


def _record(highs: Any, outcome: SolveOutcome, library: ModuleType) -> SolveRecord:
    columns, rows = highs.getNumCol(), highs.getNumRow()
    check_size(columns, rows, highs.getNumNz() + highs.getHessianNumNz())
    lp, solution = highs.getLp(), highs.getSolution()
    solved = _status(highs, outcome) in ("optimal", "feasible") and solution.value_valid
    proven = solved and solution.dual_valid
    names = list(lp.col_names_) or [""] * columns
    if not all(names) and hasattr(library, "highs_var"):
        own = program_names(library.highs_var, lambda variable: variable.index)
        names = [name or own.get(number, "") for number, name in enumerate(names)]
    record = SolveRecord(
        variables=names,
        values=list(solution.col_value) if solved else None,
        reduced_costs=list(solution.col_dual) if proven else None,
        constraints=list(lp.row_names_) or [""] * rows,
        duals=list(solution.row_dual) if proven else None,
    )
    if highs.getNumLinearObjectives():
        record.omitted = "it has several objectives"
    elif not _SEMI.isdisjoint(kind.name for kind in lp.integrality_):
        record.model = _text(highs, library)
        record.omitted = "it has semi-continuous variables"
    else:
        record.model = _linear(highs)
    return record


def _linear(highs: Any) -> LinearModel:
    lp = highs.getLp()
    model = LinearModel(maximize=lp.sense_.name == "kMaximize", offset=lp.offset_)
    integrality = _integrality(lp) or [False] * lp.num_col_
    for lower, upper, cost, whole in zip(lp.col_lower_, lp.col_upper_, lp.col_cost_, integrality, strict=True):
        model.add_variable(lower, upper, integer=whole, cost=cost)
    for terms, lower, upper in zip(_rows(lp), lp.row_lower_, lp.row_upper_, strict=True):
        model.add_row([column for column, _ in terms], [value for _, value in terms], lower, upper)
    if highs.getHessianNumNz():
        # The objective is x'Qx / 2, and Q is given by the columns of its lower triangle.
        hessian = highs.getModel().hessian_
        for first, second, value in _entries(hessian, hessian.dim_):
            model.quadratic.append((first, second, value / 2 if first == second else value))
    return model


def _rows(lp: Any) -> list[list[tuple[int, float]]]:
    """Return the terms of each row: the variable and its coefficient."""
    rows: list[list[tuple[int, float]]] = [[] for _ in range(lp.num_row_)]
    matrix = lp.a_matrix_
    by_column = matrix.format_.name == "kColwise"
    for first, second, value in _entries(matrix, lp.num_col_ if by_column else lp.num_row_):
        row, column = (second, first) if by_column else (first, second)
        rows[row].append((column, value))
    return rows


def _entries(matrix: Any, size: int) -> Iterator[tuple[int, int, float]]:
    """Yield the entries of a sparse matrix with `size` vectors: the vector, the place in it, and the value."""
    starts, places, values = list(matrix.start_), list(matrix.index_), list(matrix.value_)
    for vector in range(size if values else 0):
        for entry in range(starts[vector], starts[vector + 1]):
            yield vector, places[entry], values[entry]


def _text(highs: Any, library: ModuleType) -> dict[str, Any]:
    copy = library.Highs()  # Writing a model gives it new names if some are missing.
    copy.setOptionValue("output_flag", False)
    copy.passModel(highs.getModel())
    return text_model(copy.writeModel, "lp")
