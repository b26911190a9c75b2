"""Watching routing: the solves of `ortools.constraint_solver.pywrapcp.RoutingModel`.

Routing has no bound, so a solution is "feasible" unless the library's status is "optimal". The report counts one
variable per index of the model (the next index), and the constraints of the underlying solver, which the library
creates. Solves that take parameters get a time limit, which also stops metaheuristics that never end. `Solve` takes no
parameters; its search ends by itself.
"""

from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import report
from storm_calm.sandbox.probe.watching import Call, SolveOutcome, Watcher, watch_function

_STATUS: dict[int, SolveStatus] = {
    0: "limit",  # not solved
    1: "feasible",
    2: "feasible",  # stopped before a local optimum
    3: "limit",  # failed
    4: "limit",  # failed at the time limit
    5: "error",  # invalid model
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
    for name in _SOLVES:
        if hasattr(library.RoutingModel, name):
            watch_function(library.RoutingModel, name, channel, _solve)


def _solve(call: Call) -> Watcher:
    routing = call.arguments[0]
    if call.seconds_left is not None:
        for place, argument in [*enumerate(call.arguments), *call.options.items()]:
            if type(argument).__name__ == "RoutingSearchParameters" and not argument.HasField("time_limit"):
                limited = type(argument)()
                limited.CopyFrom(argument)
                limited.time_limit.FromMilliseconds(int(1000 * call.seconds_left))
                (call.arguments if isinstance(place, int) else call.options)[place] = limited  # type: ignore[index, call-overload]
    outcome = yield
    return lambda: _report(routing, outcome)


def _report(routing: Any, outcome: SolveOutcome) -> SolverReport:
    found = outcome.value
    return report(
        library="ortools.routing",
        solver="routing",
        status=_STATUS.get(routing.status(), "error"),
        maximize=False,
        objective=found.ObjectiveValue() if found is not None else None,
        variables=(0, routing.Size(), 0),
        constraints=routing.solver().Constraints(),
        seconds=outcome.seconds,
    )
