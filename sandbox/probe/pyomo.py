"""Watching Pyomo: `solve` of all registered solvers, of the classic interfaces, appsi and contrib.solver.

The report counts the program's unfixed variables and active constraints. The commands cbc and glpk get a time limit
here; solvers that are libraries get it from their own watchers. For cbc, the watcher also sets the clock of the limit
to wall time if the program did not choose one. With its default, CPU time, CBC 2.10.3 often claims "optimal" or
"infeasible" at the limit: in 20 of 30 solves of a market split, but in none of 30 with wall time.
"""

import inspect
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.pyomo_record import record_solve
from storm_calm.sandbox.probe.reports import count, finite, report
from storm_calm.sandbox.probe.status_words import PYOMO, PYOMO_APPSI, PYOMO_SOLVER
from storm_calm.sandbox.probe.watching import Call, Solved, SolveOutcome, Watcher, ignore_solves, watch_function

_TABLES = {"pyomo.contrib.appsi": PYOMO_APPSI, "pyomo.contrib.solver": PYOMO_SOLVER}  # by module
_COMMANDS = ("CBCSHELL", "GLPKSHELL")


def watch(library: ModuleType, channel: Channel) -> None:
    def solve(call: Call) -> Watcher:
        solver = call.arguments[0]
        model = call.arguments[1] if len(call.arguments) > 1 else call.options.get("model")
        settings = f"{call.options.get('options')} {getattr(solver, 'options', '')}".lower()
        sets_clock = type(solver).__name__ == "CBCSHELL" and "timemode" not in settings
        if (
            call.seconds_left is not None
            and type(solver).__name__ in _COMMANDS
            and call.options.get("timelimit") is None
            and not any(word in settings.replace("timemode", "") for word in ("sec", "tmlim", "time"))
        ):
            call.options["timelimit"] = call.seconds_left
        if sets_clock:
            solver.options["timeMode"] = "elapsed"
        outcome = yield
        if sets_clock:
            solver.options.pop("timeMode", None)
        if outcome.error and outcome.inner is None:
            return None
        report_once = cache(lambda: _report(library, model, _name(solver), outcome))
        return Solved(
            report=report_once, record=lambda: record_solve(library, model, outcome.value, report_once().status)
        )

    for owner in _owners(library, "solve"):
        with suppress(Exception):
            watch_function(owner, "solve", channel, solve, reported_errors=None)
    # The interfaces to Gurobi ask for the size of the licence by solving a model.
    for owner in _owners(library, "available"):
        with suppress(Exception):
            ignore_solves(owner, "available")


def _owners(library: ModuleType, name: str) -> Iterator[type]:
    """Find the classes of all registered solvers, and their bases, that define the method `name`."""
    factories = [library.SolverFactory]
    newer = sys.modules.get("pyomo.contrib.solver.common.factory")
    if newer is not None:
        factories.append(newer.SolverFactory)
    seen = set()
    for factory in factories:
        for solver in list(factory._cls.values()):
            for owner in getattr(solver, "__mro__", ()):
                own = vars(owner).get(name)
                if inspect.isfunction(own) and owner not in seen and not getattr(own, "__isabstractmethod__", False):
                    seen.add(owner)
                    yield owner


def _report(library: ModuleType, model: Any, name: str, outcome: SolveOutcome) -> SolverReport:
    goals = list(model.component_data_objects(library.Objective, active=True))
    goal = goals[0] if goals and _has_variable(goals[0].expr) else None
    maximize = goal is not None and goal.sense == library.maximize
    incumbent, bound = _values(outcome.value, maximize)
    solve_status = outcome.inner.status if outcome.inner else "error"
    if outcome.value is not None:
        solve_status = _status(outcome.value, incumbent is not None)
    if solve_status == "optimal" and incumbent is None and goal is not None:
        incumbent = library.value(goal, exception=False)
    variables = count(
        (not variable.is_continuous(), variable.lb, variable.ub)
        for variable in model.component_data_objects(library.Var, active=True)
        if not variable.fixed
    )
    return report(
        library="pyomo",
        solver=name,
        status=solve_status,
        maximize=maximize if goal is not None else None,
        objective=incumbent,
        bound=bound,
        convex=not variables.integer + variables.binary,
        variables=variables,
        constraints=sum(1 for _ in model.component_data_objects(library.Constraint, active=True)),
        seconds=outcome.seconds,
    )


def _has_variable(expression: Any) -> bool:
    unfixed = sys.modules["pyomo.core.expr.visitor"].identify_variables(expression, include_fixed=False)
    return next(unfixed, None) is not None


def _status(results: Any, has_solution: bool) -> SolveStatus:
    """Translate the termination condition of new or classic results."""
    reason = getattr(results, "termination_condition", None)
    if reason is None:
        reason = results.solver.termination_condition
    module = type(reason).__module__
    table = next((table for start, table in _TABLES.items() if module.startswith(start)), PYOMO)
    return table.status(str(getattr(reason, "name", None) or reason), has_solution=has_solution)


def _values(results: Any, maximize: bool) -> tuple[float | None, float | None]:
    """Return the objective value and its bound, of results of appsi, contrib.solver or a classic interface."""
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
    """Unwrap a number of classic results, which mark a missing one in several ways."""
    value = getattr(value, "value", value)
    return finite(value) if isinstance(value, int | float) else None


def _name(solver: Any) -> str:
    """Return the solver's name without the name of its interface. Solvers of appsi have only their class's name."""
    name = str(getattr(solver, "name", None) or "")
    if not name:
        name = next((kind.__name__ for kind in type(solver).__mro__ if ".appsi.solvers." in kind.__module__), "")
    for part in ("appsi_", "_direct", "_persistent", "_v2"):
        name = name.replace(part, "")
    return name.upper()
