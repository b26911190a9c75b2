"""Watching SciPy: `scipy.optimize.linprog`, `milp` and `minimize`.

All three minimize, and the report has the value that the library minimized, even if the program negated its objective.
`minimize` proves nothing, so its success is "feasible". The report counts one constraint per matrix row and one per
function. The HiGHS solvers get a time limit; `minimize` has no such option. SciPy has no option for threads.

Records have the model as the library solves it. The model of `minimize` is given by functions, so its record has only
the variables.
"""

import inspect
import math
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import Variables, count, report
from storm_calm.sandbox.probe.solve_record import LinearModel, NotRecordedError, SolveRecord, check_size, limit
from storm_calm.sandbox.probe.status_words import HIGHS, SCIPY
from storm_calm.sandbox.probe.watching import Call, Solved, SolveOutcome, Watcher, watch_function

_SEMI = (2, 3)  # integrality: semi-continuous, semi-integer
_OTHER = 4  # status: read the message
_HIGHS_STATUS = re.compile(r"HiGHS Status (\d+):")

_Reporter = Callable[[dict[str, Any], SolveOutcome], SolverReport]
_Recorder = Callable[[dict[str, Any], SolveOutcome], SolveRecord]


def watch(library: ModuleType, channel: Channel) -> None:
    for name, build_report, build_record in (
        ("linprog", _linear, _linear_record),
        ("milp", _linear, _linear_record),
        ("minimize", _smooth, _smooth_record),
    ):
        signature = inspect.signature(getattr(library, name))
        watcher = partial(_solve, name=name, signature=signature, build_report=build_report, build_record=build_record)
        watch_function(library, name, channel, watcher)


def _solve(
    call: Call, name: str, signature: inspect.Signature, build_report: _Reporter, build_record: _Recorder
) -> Watcher:
    bound = signature.bind(*call.arguments, **call.options)
    given = dict(bound.arguments)
    if name == "milp":
        given["bounds"] = _as_bounds(given.get("bounds"))
    options = given.get("options") or {}
    uses_highs = build_report is _linear and str(given.get("method", "highs")).startswith("highs")
    if uses_highs and call.seconds_left is not None and options.get("time_limit") is None:
        bound.arguments["options"] = {**options, "time_limit": call.seconds_left}
        call.arguments[:], call.options = list(bound.args), dict(bound.kwargs)
    outcome = yield
    return Solved(report=lambda: build_report(given, outcome), record=lambda: build_record(given, outcome))


def _as_bounds(bounds: Any) -> Any:
    """Return the bounds of `milp` as a `Bounds`; its other form, (lower, upper), is a pair of bounds in `linprog`."""
    from scipy.optimize import Bounds

    return bounds if bounds is None or isinstance(bounds, Bounds) else Bounds(*bounds)


def _linear(given: dict[str, Any], outcome: SolveOutcome) -> SolverReport:
    result = outcome.value
    costs = _flat(given["c"])
    integrality = _integrality(given, len(costs))
    is_mip = any(integrality)
    limits = _bounds(given.get("bounds"), len(costs))
    return report(
        library="scipy.optimize",
        solver="HIGHS" if str(given.get("method", "highs")).startswith("highs") else str(given["method"]),
        status=_status(result),
        maximize=False if any(costs) else None,
        objective=result.fun,
        bound=getattr(result, "mip_dual_bound", None) if is_mip else None,
        convex=not is_mip,
        variables=count((kind in (1, 3), *bounds) for kind, bounds in zip(integrality, limits, strict=True)),
        constraints=_constraints(given),
        seconds=outcome.seconds,
    )


def _linear_record(given: dict[str, Any], outcome: SolveOutcome) -> SolveRecord:
    from scipy import sparse

    result = outcome.value
    costs = _flat(given["c"])
    check_size(len(costs), _constraints(given))
    integrality = _integrality(given, len(costs))
    if any(kind in _SEMI for kind in integrality):
        raise NotRecordedError("it has semi-continuous or semi-integer variables")
    limits = _exact_bounds(given.get("bounds"), len(costs))
    blocks = [*_blocks(given)]
    check_size(len(costs), sum(len(side) for _, _, side, _ in blocks), sum(block.nnz for _, block, _, _ in blocks))
    matrix = sparse.vstack([sparse.csr_array((0, len(costs))), *(block for _, block, _, _ in blocks)], format="csr")
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    model = LinearModel(
        costs=[float(cost) for cost in costs],
        lower=[limit(lower) for lower, _ in limits],
        upper=[limit(upper) for _, upper in limits],
        integer=[number for number, kind in enumerate(integrality) if kind],
        row_lower=[limit(value) for _, _, lower, _ in blocks for value in lower],
        row_upper=[limit(value) for _, _, _, upper in blocks for value in upper],
        row_starts=matrix.indptr.tolist(),
        row_columns=matrix.indices.tolist(),
        row_values=matrix.data.tolist(),
    )
    solved = _status(result) in ("optimal", "feasible")
    has_duals = solved and not model.integer and hasattr(result, "ineqlin")
    return SolveRecord(
        variables=_names(len(costs)),
        values=result.x.tolist() if solved else None,
        reduced_costs=(result.lower.marginals + result.upper.marginals).tolist() if has_duals else None,
        constraints=[f"{name}[{row}]" for name, _, side, _ in blocks for row in range(len(side))],
        duals=[*result.ineqlin.marginals.tolist(), *result.eqlin.marginals.tolist()] if has_duals else None,
        model=model,
    )


def _blocks(given: dict[str, Any]) -> Iterator[tuple[str, Any, list[float], list[float]]]:
    """Yield the name, the sparse matrix and the lower and upper limits of the rows of each constraint argument."""
    import numpy
    from scipy import sparse

    for name, right, is_equality in (("A_ub", "b_ub", False), ("A_eq", "b_eq", True)):
        if given.get(name) is not None:
            sides = [float(side) for side in _flat(given[right])]
            matrix = given[name]
            matrix = matrix if sparse.issparse(matrix) else numpy.asarray(matrix, dtype=float)
            yield name, sparse.csr_array(matrix), sides if is_equality else [-math.inf] * len(sides), sides
    for number, one in enumerate(_linear_constraints(given.get("constraints"))):
        yield f"constraints[{number}]", sparse.csr_array(one.A, dtype=float), one.lb.tolist(), one.ub.tolist()


def _linear_constraints(constraints: Any) -> list[Any]:
    """Return the constraints of `milp`: one or a list, each a LinearConstraint or its arguments."""
    from scipy.optimize import LinearConstraint

    if isinstance(constraints, LinearConstraint):
        return [constraints]
    parts = list(constraints or ())
    if len(parts) == 3:
        with suppress(TypeError, ValueError):
            return [LinearConstraint(*parts)]
    return [part if isinstance(part, LinearConstraint) else LinearConstraint(*part) for part in parts]


def _names(many: int) -> list[str]:
    return [f"x[{number}]" for number in range(many)]


def _integrality(given: dict[str, Any], many: int) -> list[Any]:
    """Return the kind of each variable: 0 for continuous, 1 for integer, 2 and 3 for semi-continuous ones."""
    kinds = _flat(given.get("integrality"))
    return kinds * many if len(kinds) == 1 else kinds or [0] * many


def _status(result: Any) -> SolveStatus:
    """Translate the status. SciPy has one number for all that it has no word for; then the message has HiGHS's."""
    found = _HIGHS_STATUS.search(str(result.message)) if result.status == _OTHER else None
    if found:
        return HIGHS.status(int(found[1]), has_solution=result.x is not None)
    return SCIPY.status(int(result.status), has_solution=result.x is not None)


def _smooth(given: dict[str, Any], outcome: SolveOutcome) -> SolverReport:
    result = outcome.value
    message = str(result.message).lower()
    solve_status: SolveStatus = "error"
    if result.success:
        solve_status = "feasible"
    elif "limit" in message or "maximum number" in message:
        solve_status = "limit"
    method = given.get("method")
    return report(
        library="scipy.optimize",
        solver=method.upper() if isinstance(method, str) else "",
        status=solve_status,
        maximize=False,
        objective=result.fun,
        variables=Variables(continuous=len(result.x)),
        constraints=_constraints(given),
        seconds=outcome.seconds,
    )


def _smooth_record(given: dict[str, Any], outcome: SolveOutcome) -> SolveRecord:
    result = outcome.value
    check_size(len(result.x), 0)
    return SolveRecord(
        variables=_names(len(result.x)),
        values=result.x.tolist() if result.success else None,
        omitted="a nonlinear model is given by functions, which cannot be recorded",
    )


def _constraints(given: dict[str, Any]) -> int:
    matrices = [given.get("A_ub"), given.get("A_eq"), *_each(given.get("constraints"))]
    return sum(_rows(matrix) for matrix in matrices)


def _flat(values: Any) -> list[Any]:
    """Flatten a list, an array of any shape, a number or None to a list."""
    if values is None:
        return []
    values = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(values, list | tuple):
        return [number for value in values for number in _flat(value)]
    return [values]


def _each(constraints: Any) -> list[Any]:
    """Return the constraints as a list; the argument is one, a sequence or None."""
    if constraints is None:
        return []
    if _is_constraint(constraints):
        return [constraints]
    parts = list(constraints)
    if parts and not isinstance(parts[0], tuple) and not _is_constraint(parts[0]):
        return [parts[0]]  # A single constraint, as (A, lower, upper).
    return parts


def _is_constraint(value: Any) -> bool:
    return isinstance(value, dict) or hasattr(value, "A") or hasattr(value, "fun")


def _rows(constraint: Any) -> int:
    """Count the rows of a matrix, a LinearConstraint or (A, lower, upper); 1 for a function."""
    if constraint is None:
        return 0
    if isinstance(constraint, dict) or hasattr(constraint, "fun"):
        return 1
    matrix = getattr(constraint, "A", None) if hasattr(constraint, "lb") else constraint
    matrix = matrix[0] if isinstance(matrix, tuple) and len(matrix) == 3 and hasattr(matrix[0], "__len__") else matrix
    shape = getattr(matrix, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) > 1 else 1
    assert matrix is not None
    return len(matrix) if matrix and hasattr(matrix[0], "__len__") else min(1, len(matrix))


def _bounds(bounds: Any, many: int) -> list[tuple[Any, Any]]:
    """Return (lower, upper) for each of `many` variables; the default if they are given in an unusual way."""
    with suppress(Exception):
        return _exact_bounds(bounds, many)
    return [(0.0, None)] * many


def _exact_bounds(bounds: Any, many: int) -> list[tuple[Any, Any]]:
    """Return (lower, upper) for each of `many` variables. Raises an error if they are given in an unusual way."""
    if bounds is None:
        return [(0.0, None)] * many
    found = _given_bounds(bounds)
    found = found * many if len(found) == 1 else found
    if len(found) != many:
        raise ValueError(f"there are {len(found)} bounds for {many} variables")
    return found


def _given_bounds(bounds: Any) -> list[tuple[Any, Any]]:
    if hasattr(bounds, "lb"):
        sides = [_flat(bounds.lb), _flat(bounds.ub)]
    else:
        pairs = bounds.tolist() if hasattr(bounds, "tolist") else list(bounds)
        if len(pairs) == 2 and not hasattr(pairs[0], "__len__"):
            pairs = [pairs]
        sides = [[pair[0] for pair in pairs], [pair[1] for pair in pairs]]
    many = max(map(len, sides))
    lower, upper = (side * many if len(side) == 1 else side for side in sides)
    return list(zip(lower, upper, strict=True))
