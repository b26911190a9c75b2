"""Watching SciPy: `scipy.optimize.linprog`, `milp` and `minimize`.

All three minimize, and the report has the value that the library minimized, even if the program negated its objective.
`minimize` proves nothing, so its success is "feasible". The report counts one constraint per matrix row and one per
function. The HiGHS solvers get a time limit; `minimize` has no such option. SciPy has no option for threads.
"""

import inspect
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import Variables, count, report
from storm_calm.sandbox.probe.status_words import HIGHS, SCIPY
from storm_calm.sandbox.probe.watching import Call, SolveOutcome, Solved, Watcher, watch_function

_OTHER = 4  # status: read the message
_HIGHS_STATUS = re.compile(r"HiGHS Status (\d+):")


def watch(library: ModuleType, channel: Channel) -> None:
    for name, build_report in (("linprog", _linear), ("milp", _linear), ("minimize", _smooth)):
        signature = inspect.signature(getattr(library, name))
        watcher = partial(_solve, signature=signature, build_report=build_report)
        watch_function(library, name, channel, watcher)


def _solve(
    call: Call, signature: inspect.Signature, build_report: Callable[[dict[str, Any], SolveOutcome], SolverReport]
) -> Watcher:
    bound = signature.bind(*call.arguments, **call.options)
    given = dict(bound.arguments)
    options = given.get("options") or {}
    uses_highs = build_report is _linear and str(given.get("method", "highs")).startswith("highs")
    if uses_highs and call.seconds_left is not None and options.get("time_limit") is None:
        bound.arguments["options"] = {**options, "time_limit": call.seconds_left}
        call.arguments[:], call.options = list(bound.args), dict(bound.kwargs)
    outcome = yield
    return Solved(report=lambda: build_report(given, outcome))


def _linear(given: dict[str, Any], outcome: SolveOutcome) -> SolverReport:
    result = outcome.value
    costs = _flat(given["c"])
    integrality = _flat(given.get("integrality"))
    integrality = integrality * len(costs) if len(integrality) == 1 else integrality or [0] * len(costs)
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
        # 2 is semi-continuous, 3 is semi-integer.
        variables=count((kind in (1, 3), *bounds) for kind, bounds in zip(integrality, limits, strict=True)),
        constraints=_constraints(given),
        seconds=outcome.seconds,
    )


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
        found = _given_bounds(bounds)
        found = found * many if len(found) == 1 else found
        if len(found) == many:
            return found
    return [(0.0, None)] * many


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
