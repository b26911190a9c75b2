"""Watching routing: the solves of `ortools.constraint_solver.pywrapcp.RoutingModel`.

Routing has no bound, so a solution is "feasible" unless the library's status is "optimal". The report counts one
variable per index of the model (the next index), and the constraints of the underlying solver, which the library
creates. Solves that take parameters get a time limit, which also stops metaheuristics that never end. `Solve` takes no
parameters; its search ends by itself.
"""

from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import Variables, report
from storm_calm.sandbox.probe.solve_record import SolveRecord, check_size
from storm_calm.sandbox.probe.status_words import ROUTING
from storm_calm.sandbox.probe.watching import Call, Solved, SolveOutcome, Watcher, watch_function

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
    return Solved(report=lambda: _report(routing, outcome), record=lambda: _record(routing, outcome))


def _report(routing: Any, outcome: SolveOutcome) -> SolverReport:
    found = outcome.value
    return report(
        library="ortools.routing",
        solver="routing",
        status=ROUTING.status(routing.status()),
        maximize=False,
        objective=found.ObjectiveValue() if found is not None else None,
        variables=Variables(integer=routing.Size()),
        constraints=routing.solver().Constraints(),
        seconds=outcome.seconds,
    )


def _record(routing: Any, outcome: SolveOutcome) -> SolveRecord:
    check_size(routing.Size(), 0)
    found, indices = outcome.value, range(routing.Size())
    return SolveRecord(
        variables=[f"next[{index}]" for index in indices],
        values=[found.Value(routing.NextVar(index)) for index in indices] if found is not None else None,
        omitted="a routing model is given by functions, which cannot be recorded",
    )
