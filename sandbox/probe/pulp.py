"""Watching PuLP: `LpProblem.solve`, with any of its solvers, and `sequentialSolve`, whose last solve is reported.

The report counts the program's model, including bounds that are written as constraints. Solvers that run as a command,
such as CBC, get a time limit here; those that are libraries get it from their own watchers. CBC has one thread and a
fixed seed by default.
"""

import re
from functools import partial
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport, SolveStatus
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.reports import count, report
from storm_calm.sandbox.probe.solve_record import LinearModel, NotRecordedError, SolveRecord, check_size
from storm_calm.sandbox.probe.status_words import PULP, PULP_SOLUTION
from storm_calm.sandbox.probe.watching import Call, Solved, SolveOutcome, Watcher, watch_function

_FEASIBLE = 2  # sol_status: a solution that is not proved optimal
_INEXACT = (0, -3)  # status: not solved, undefined
_AUTOMATIC = re.compile(r"_C\d+")  # names of constraints that PuLP gives
_NAMES = {"PULP_CBC": "CBC", "COIN": "CBC"}


def watch(library: ModuleType, channel: Channel) -> None:
    def solve(call: Call, position: int) -> Watcher:
        problem = call.arguments[0]
        given = call.arguments[position] if len(call.arguments) > position else call.options.get("solver")
        solver = given or problem.solver or library.LpSolverDefault
        limited = call.seconds_left is not None and _is_command_without_limit(solver, library)
        if limited:
            solver.timeLimit = call.seconds_left
        outcome = yield
        if limited:
            solver.timeLimit = None
        return Solved(
            report=lambda: _report(problem, solver, outcome, library), record=lambda: _record(problem, library)
        )

    for name, position in (("solve", 1), ("sequentialSolve", 4)):  # position of the argument `solver`
        watcher = partial(solve, position=position)
        watch_function(library.LpProblem, name, channel, watcher, reported_errors=("PulpSolverError",))


def _is_command_without_limit(solver: Any, library: ModuleType) -> bool:
    if not isinstance(solver, library.LpSolver_CMD) or solver.timeLimit is not None:
        return False
    return not any("sec" in str(option).lower() or "time" in str(option).lower() for option in solver.options or ())


def _report(problem: Any, solver: Any, outcome: SolveOutcome, library: ModuleType) -> SolverReport:
    # PuLP adds a variable of its own to a problem without an objective or with an empty constraint.
    own = [variable for variable in problem.variables() if variable is not problem.dummyVar]
    variables = count((variable.cat == library.LpInteger, variable.lowBound, variable.upBound) for variable in own)
    goal = problem.objective
    has_objective = goal is not None and any(goal.values())
    return report(
        library="pulp",
        solver=_name(solver),
        status=_status(problem, outcome),
        maximize=problem.sense == library.LpMaximize if has_objective else None,
        objective=goal.value() if has_objective else None,
        convex=not (variables.integer or variables.binary),
        variables=variables,
        constraints=problem.numConstraints(),
        seconds=outcome.seconds,
    )


def _record(problem: Any, library: ModuleType) -> SolveRecord:
    variables = [variable for variable in problem.variables() if variable is not problem.dummyVar]
    rows = problem.constraints
    check_size(len(variables), len(rows), sum(map(len, rows.values())))
    if problem.sos1 or problem.sos2:
        raise NotRecordedError("it has special ordered sets")
    position = {id(variable): number for number, variable in enumerate(variables)}
    goal = problem.objective
    costs = dict(goal.items()) if goal is not None else {}
    model = LinearModel(
        maximize=problem.sense == library.LpMaximize, offset=float(goal.constant) if goal is not None else 0.0
    )
    for variable in variables:
        whole = variable.cat == library.LpInteger
        model.add_variable(variable.lowBound, variable.upBound, integer=whole, cost=costs.get(variable, 0.0))
    for row in rows.values():
        given = [(position[id(variable)], value) for variable, value in row.items() if id(variable) in position]
        # The sense is 0 for equality, 1 for >= and -1 for <=; the constant is on the left.
        side = -row.constant
        lower, upper = (side if row.sense >= 0 else None), (side if row.sense <= 0 else None)
        model.add_row([column for column, _ in given], [value for _, value in given], lower, upper)
    solved = problem.sol_status in (library.LpSolutionOptimal, _FEASIBLE)
    # Only some solvers give duals, and PuLP keeps those of an earlier solve.
    is_lp = not model.integer
    return SolveRecord(
        variables=[variable.name for variable in variables],
        values=[variable.varValue for variable in variables] if solved else None,
        reduced_costs=[variable.dj for variable in variables] if solved and is_lp else None,
        constraints=["" if _AUTOMATIC.fullmatch(name) else name for name in rows],
        duals=[row.pi for row in rows.values()] if solved and is_lp else None,
        model=model,
    )


def _status(problem: Any, outcome: SolveOutcome) -> SolveStatus:
    if outcome.error:
        return "error"
    solve_status = PULP.status(problem.status, has_solution=problem.sol_status == _FEASIBLE)
    if solve_status == "optimal" and problem.sol_status == _FEASIBLE:
        return PULP_SOLUTION.status(problem.sol_status)
    if problem.status in _INEXACT and outcome.inner:
        # PuLP has one word for limits, errors and "infeasible or unbounded". A solver that is a library has more.
        return outcome.inner.status
    return solve_status


def _name(solver: Any) -> str:
    """Return the solver's name without the name of its interface."""
    name = str(solver.name).removesuffix("_CMD").removesuffix("_PY").upper()
    return _NAMES.get(name, name)
