"""Watching routing: the solves of `ortools.constraint_solver.pywrapcp.RoutingModel`.

Routing is a search without a bound: what it finds is "feasible" unless the library itself says "optimal". Counted are
the variables that say where to go next from each place, one for each index of the model, and the constraints of the
solver under it, which the library makes itself. A time limit is lent to the solves that take parameters; it
also ends metaheuristics that would go on for ever. `Solve` takes none; with the settings that it uses, the search
ends by itself.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import report
from storm_calm.sandbox.probe.watching import Call, SolveOutcome, Watcher
from storm_calm.sandbox.probe.watching import watch as watch_function

# By the library's own numbers: not solved, success, local optimum not reached, fail, fail by time, invalid, infeasible,
# optimal.
_STATUS: dict[int, SolveStatus] = {
    0: "limit",
    1: "feasible",
    2: "feasible",
    3: "limit",
    4: "limit",
    5: "error",
    6: "infeasible",
    7: "optimal",
}
_SOLVES = (
    "Solve",
    "SolveWithParameters",
    "SolveFromAssignmentWithParameters",
    "SolveFromAssignmentsWithParameters",
    "FastSolveFromAssignmentWithParameters",
    "SolveWithIteratedLocalSearch",
)


def watch(library: ModuleType, channel: Channel) -> None:
    """Report every solve of the library on `channel`."""
    for name in _SOLVES:
        if hasattr(library.RoutingModel, name):
            watch_function(library.RoutingModel, name, channel, _solve)


def _solve(call: Call) -> Watcher:
    routing = call.arguments[0]
    if call.seconds_left is not None:
        for place, argument in [*enumerate(call.arguments), *call.options.items()]:
            if type(argument).__name__ == "RoutingSearchParameters" and not argument.HasField("time_limit"):
                lent = type(argument)()
                lent.CopyFrom(argument)
                lent.time_limit.FromMilliseconds(int(1000 * call.seconds_left))
                (call.arguments if isinstance(place, int) else call.options)[place] = lent  # type: ignore[index, call-overload]
    outcome = yield
    if outcome.error:
        return None
    return lambda: _report(routing, outcome)


def _report(routing: Any, outcome: SolveOutcome) -> SolverReport:
    found = outcome.value
    return report(
        library="ortools.routing",
        solver="routing",
        status=_STATUS.get(routing.status(), "error"),
        sense="minimize",
        objective=found.ObjectiveValue() if found is not None else None,
        variables=(0, routing.Size(), 0),
        constraints=routing.solver().Constraints(),
        seconds=outcome.seconds,
    )
