"""Watching SciPy: `scipy.optimize.linprog`, `milp` and `minimize`.

All three minimize; a report has the value of what the library was given, also where the program turned its sign.
`minimize` proves nothing: what it calls a success is "feasible". Counted are a constraint for each row of a
matrix, and one for each function. A time limit is lent to the solvers of HiGHS; `minimize` knows none. Threads are left
alone: SciPy has no setting for them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import count, report, stopped
from storm_calm.sandbox.probe.watching import Call, SolveOutcome, Watcher
from storm_calm.sandbox.probe.watching import watch as watch_function

_STATUS: dict[int, SolveStatus] = {0: "optimal", 2: "infeasible", 3: "unbounded"}
_AT_A_LIMIT = 1


def watch(library: ModuleType, channel: Channel) -> None:
    """Report every solve of the library on `channel`."""
    linprog, milp, minimize = (inspect.signature(getattr(library, name)) for name in ("linprog", "milp", "minimize"))

    def solve_linear(call: Call) -> Watcher:
        given = _lend_time(call, linprog)
        outcome = yield
        if outcome.error:
            return None
        return lambda: _linear(given, outcome, sum(_rows(given.get(name)) for name in ("A_ub", "A_eq")))

    def solve_whole(call: Call) -> Watcher:
        given = _lend_time(call, milp)
        outcome = yield
        if outcome.error:
            return None
        return lambda: _linear(given, outcome, sum(_rows(one) for one in _each(given.get("constraints"))))

    def solve_smooth(call: Call) -> Watcher:
        given = minimize.bind(*call.arguments, **call.options).arguments
        outcome = yield
        if outcome.error:
            return None
        return lambda: _smooth(given, outcome)

    watch_function(library, "linprog", channel, solve_linear)
    watch_function(library, "milp", channel, solve_whole)
    watch_function(library, "minimize", channel, solve_smooth)


def _lend_time(call: Call, signature: inspect.Signature) -> dict[str, Any]:
    """Lend HiGHS a time limit; what the program called the function with, by name."""
    bound = signature.bind(*call.arguments, **call.options)
    given = dict(bound.arguments)
    options = given.get("options") or {}
    if (
        call.seconds_left is not None
        and str(given.get("method", "highs")).startswith("highs")
        and options.get("time_limit") is None
    ):
        bound.arguments["options"] = {**options, "time_limit": call.seconds_left}
        call.arguments[:], call.options = list(bound.args), dict(bound.kwargs)
    return given


def _linear(given: dict[str, Any], outcome: SolveOutcome, constraints: int) -> SolverReport:
    result = outcome.value
    solve_status = (
        stopped(result.x is not None) if result.status == _AT_A_LIMIT else _STATUS.get(result.status, "error")
    )
    costs = _flat(given["c"])
    whole = _flat(given.get("integrality"))
    whole = whole * len(costs) if len(whole) == 1 else whole or [0] * len(costs)
    limits = _bounds(given.get("bounds"), len(costs)) if any(whole) else [(0.0, None)] * len(costs)
    objective = result.fun
    proof = objective if solve_status == "optimal" else None  # A linear program's optimum is its own proof.
    return report(
        library="scipy.optimize",
        solver="HIGHS" if str(given.get("method", "highs")).startswith("highs") else str(given["method"]),
        status=solve_status,
        sense="minimize" if any(costs) else None,
        objective=objective,
        bound=getattr(result, "mip_dual_bound", None) if any(whole) else proof,
        # 2 is semi-continuous, 3 is semi-integer.
        variables=count((kind in (1, 3), lower, upper) for kind, (lower, upper) in zip(whole, limits, strict=True)),
        constraints=constraints,
        seconds=outcome.seconds,
    )


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
        sense="minimize",
        objective=result.fun,
        variables=(len(result.x), 0, 0),
        constraints=sum(_rows(one) for one in _each(given.get("constraints"))),
        seconds=outcome.seconds,
    )


def _flat(values: Any) -> list[Any]:
    """A list, an array of any shape, a number or nothing, as a list."""
    if values is None:
        return []
    values = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(values, list | tuple):
        return [number for value in values for number in _flat(value)]
    return [values]


def _each(constraints: Any) -> Iterator[Any]:
    """The single constraints, of one or of a sequence of them."""
    if constraints is None:
        return
    if hasattr(constraints, "A") or hasattr(constraints, "fun") or isinstance(constraints, dict):
        yield constraints
        return
    parts = list(constraints)
    if parts and not hasattr(parts[0], "A") and not isinstance(parts[0], dict | tuple) and not hasattr(parts[0], "fun"):
        yield parts[0]  # One, as (A, lower, upper).
    else:
        yield from parts


def _rows(constraint: Any) -> int:
    """The rows of a matrix, of a LinearConstraint or of (A, lower, upper); 1 for a function."""
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
    """A pair for each variable."""
    if bounds is None:
        return [(0.0, None)] * many
    if hasattr(bounds, "lb"):
        sides = [_flat(bounds.lb), _flat(bounds.ub)]
    else:
        pairs = bounds.tolist() if hasattr(bounds, "tolist") else list(bounds)
        if len(pairs) == 2 and not hasattr(pairs[0], "__len__"):
            pairs = [pairs]
        sides = [[pair[0] for pair in pairs], [pair[1] for pair in pairs]]
    lower, upper = (side * many if len(side) == 1 else side for side in sides)
    return list(zip(lower, upper, strict=True))
