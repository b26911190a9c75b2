"""Solve a linear model with HiGHS. A model is the JSON object of `env.plans.record.LinearModel`."""

from typing import Any

import highspy
import numpy

_INFINITY = highspy.kHighsInf
_STATUSES = {
    highspy.HighsModelStatus.kOptimal: "optimal",
    highspy.HighsModelStatus.kInfeasible: "infeasible",
    highspy.HighsModelStatus.kUnbounded: "unbounded",
}


def loaded(model: dict[str, Any], seconds: float, *, relaxed: bool = False) -> highspy.Highs:
    """Return HiGHS with the model loaded and a time limit. relaxed: without integrality."""
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(model["costs"]), len(model["row_lower"])
    lp.sense_ = highspy.ObjSense.kMaximize if model["maximize"] else highspy.ObjSense.kMinimize
    lp.offset_ = model["offset"]
    lp.col_cost_ = numpy.array(model["costs"], dtype=float)
    lp.col_lower_, lp.col_upper_ = limits(model["lower"], -1), limits(model["upper"], 1)
    lp.row_lower_, lp.row_upper_ = limits(model["row_lower"], -1), limits(model["row_upper"], 1)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = numpy.array(model["row_starts"], dtype=numpy.int32)
    lp.a_matrix_.index_ = numpy.array(model["row_columns"], dtype=numpy.int32)
    lp.a_matrix_.value_ = numpy.array(model["row_values"], dtype=float)
    if model["integer"] and not relaxed:
        whole = set(model["integer"])
        kinds = highspy.HighsVarType
        lp.integrality_ = [kinds.kInteger if i in whole else kinds.kContinuous for i in range(lp.num_col_)]
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("time_limit", float(seconds))
    highs.setOptionValue("mip_rel_gap", 0.0)
    highs.setOptionValue("mip_abs_gap", 1e-9)
    highs.passModel(lp)
    if model["quadratic"]:
        highs.passHessian(_hessian(model["quadratic"], lp.num_col_))
    return highs


def solve(highs: highspy.Highs) -> str:
    """Solve the loaded model, and return its status: optimal, infeasible, unbounded or open."""
    highs.run()
    status = highs.getModelStatus()
    if status == highspy.HighsModelStatus.kUnboundedOrInfeasible:
        highs.setOptionValue("presolve", "off")
        highs.run()
        status = highs.getModelStatus()
    if status == highspy.HighsModelStatus.kModelEmpty:
        return "optimal" if _keeps_zero(highs.getLp()) else "infeasible"
    return _STATUSES.get(status, "open")


def _keeps_zero(lp: highspy.HighsLp) -> bool:
    """Return whether rows without variables keep their limits."""
    return max(lp.row_lower_, default=0.0) <= 1e-9 and min(lp.row_upper_, default=0.0) >= -1e-9


def limits(values: list[float | None], sign: int) -> Any:
    """Return limits as an array. sign: of the infinity for a missing one."""
    return numpy.array([sign * _INFINITY if value is None else value for value in values], dtype=float)


def _hessian(terms: list[tuple[int, int, float]], columns: int) -> highspy.HighsHessian:
    """Return the terms a x_i x_j as HiGHS's lower triangle of Q in x'Qx / 2."""
    entries: dict[tuple[int, int], float] = {}
    for i, j, value in terms:
        place = min(i, j), max(i, j)  # column, row
        entries[place] = entries.get(place, 0.0) + (2.0 * value if i == j else value)
    places = sorted(entries)
    hessian = highspy.HighsHessian()
    hessian.dim_ = columns
    hessian.format_ = highspy.HessianFormat.kTriangular
    starts = numpy.searchsorted([column for column, _ in places], range(columns + 1))
    hessian.start_ = starts.astype(numpy.int32)
    hessian.index_ = numpy.array([row for _, row in places], dtype=numpy.int32)
    hessian.value_ = numpy.array([entries[place] for place in places], dtype=float)
    return hessian
