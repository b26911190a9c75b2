"""Watching Pyomo: `solve` of all solvers that it has registered: the old ones, appsi's and contrib.solver's.

Counted is the program's model: its variables that are not fixed, and its active constraints. Solvers that are
libraries get a time limit from their own watchers; to the commands cbc and glpk it is lent here. The command cbc
measures its limit on the wall clock unless told: by processor time, its default, it often ends at the limit with the
words of a proof, "optimal" or "infeasible" (20 of 30 solves of a market split with CBC 2.10.3, and none of 30 so).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel, harmless
from storm_calm.sandbox.probe.reports import count, direction, finite, report, stopped
from storm_calm.sandbox.probe.watching import Call, SolveOutcome, Watcher
from storm_calm.sandbox.probe.watching import watch as watch_function

_STATUS: dict[str, SolveStatus] = {
    "optimal": "optimal",
    "globallyOptimal": "optimal",
    "convergenceCriteriaSatisfied": "optimal",
    "locallyOptimal": "feasible",
    "feasible": "feasible",
    "infeasible": "infeasible",
    "provenInfeasible": "infeasible",
    "locallyInfeasible": "infeasible",
    "infeasibleOrUnbounded": "infeasible",
    "unbounded": "unbounded",
    "error": "error",
    "internalSolverError": "error",
    "solverFailure": "error",
    "invalidProblem": "error",
    "noSolution": "error",
    "licensingProblems": "error",
}
_COMMANDS = ("CBCSHELL", "GLPKSHELL")


def watch(library: ModuleType, channel: Channel) -> None:
    """Report every solve of the library on `channel`."""

    def solve(call: Call) -> Watcher:
        solver = call.arguments[0]
        model = call.arguments[1] if len(call.arguments) > 1 else call.options.get("model")
        settings = f"{call.options.get('options')} {getattr(solver, 'options', '')}".lower()
        clock_is_lent = type(solver).__name__ == "CBCSHELL" and "timemode" not in settings
        if (
            call.seconds_left is not None
            and type(solver).__name__ in _COMMANDS
            and call.options.get("timelimit") is None
            and not any(word in settings.replace("timemode", "") for word in ("sec", "tmlim", "time"))
        ):
            call.options["timelimit"] = call.seconds_left
        if clock_is_lent:
            solver.options["timeMode"] = "elapsed"
        outcome = yield
        if clock_is_lent:
            solver.options.pop("timeMode", None)
        if outcome.error and outcome.inner is None:
            return None
        return lambda: _report(library, model, _name(solver), outcome)

    for owner in _owners(library):
        with harmless():
            watch_function(owner, "solve", channel, solve)


def _owners(library: ModuleType) -> Iterator[type]:
    """The classes that have a `solve` of their own, among all solvers that are registered."""
    factories = [library.SolverFactory]
    newer = sys.modules.get("pyomo.contrib.solver.common.factory")
    if newer is not None:
        factories.append(newer.SolverFactory)
    seen = set()
    for factory in factories:
        for solver in list(factory._cls.values()):
            for owner in getattr(solver, "__mro__", ()):
                own = vars(owner).get("solve")
                if own is not None and owner not in seen and not getattr(own, "__isabstractmethod__", False):
                    seen.add(owner)
                    yield owner


def _report(library: ModuleType, model: Any, name: str, outcome: SolveOutcome) -> SolverReport:
    goals = list(model.component_data_objects(library.Objective, active=True))
    goal = goals[0] if goals and goals[0].expr.__class__ not in (int, float) else None
    maximize = goal is not None and goal.sense == library.maximize
    incumbent, bound = _values(outcome.value, maximize)
    solve_status = outcome.inner.status if outcome.inner else "error"
    if outcome.value is not None:
        word = _termination(outcome.value)
        solve_status = _STATUS.get(word) or stopped(incumbent is not None)
    if solve_status == "optimal" and incumbent is None and goal is not None:
        incumbent = library.value(goal, exception=False)
    variables = count(
        (not variable.is_continuous(), variable.lb, variable.ub)
        for variable in model.component_data_objects(library.Var, active=True)
        if not variable.fixed
    )
    if bound is None and solve_status == "optimal" and not variables[1] + variables[2]:
        bound = incumbent
    return report(
        library="pyomo",
        solver=name,
        status=solve_status,
        sense=direction(maximize) if goal is not None else None,
        objective=incumbent,
        bound=bound,
        variables=variables,
        constraints=sum(1 for _ in model.component_data_objects(library.Constraint, active=True)),
        seconds=outcome.seconds,
    )


def _termination(results: Any) -> str:
    """Why it ended, as the library says it: of new results or of old ones."""
    reason = getattr(results, "termination_condition", None)
    if reason is None:
        reason = results.solver.termination_condition
    return str(getattr(reason, "name", None) or reason)


def _values(results: Any, maximize: bool) -> tuple[float | None, float | None]:
    """The objective's value and its bound, of appsi's, contrib.solver's or the old results."""
    if results is None:
        return None, None
    for value, bound in (
        ("incumbent_objective", "objective_bound"),
        ("best_feasible_objective", "best_objective_bound"),
    ):
        if hasattr(results, value):
            return finite(getattr(results, value)), finite(getattr(results, bound))
    lower, upper = (_number(getattr(results.problem, name, None)) for name in ("lower_bound", "upper_bound"))
    return (lower, upper) if maximize else (upper, lower)


def _number(value: Any) -> float | None:
    """A number of the old results, which wrap it, and print one that is missing in many ways."""
    value = getattr(value, "value", value)
    return finite(value) if isinstance(value, int | float) else None


def _name(solver: Any) -> str:
    """The solver's name, without the way in which it is reached; appsi's are known by their classes alone."""
    name = str(getattr(solver, "name", None) or "")
    if not name:
        name = next((kind.__name__ for kind in type(solver).__mro__ if ".appsi.solvers." in kind.__module__), "")
    for part in ("appsi_", "_direct", "_persistent", "_v2"):
        name = name.replace(part, "")
    return name.upper()
