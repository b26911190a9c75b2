"""Watching the linear solver wrapper: `ortools.linear_solver.pywraplp.Solver.Solve`.

GLOP returns the same status for infeasible and unbounded models. Both are reported as "infeasible": only another solve
could distinguish them.
"""

from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.program_names import program_names
from storm_calm.sandbox.probe.reports import count, report
from storm_calm.sandbox.probe.solve_record import LinearModel, NotRecordedError, SolveRecord, check_size
from storm_calm.sandbox.probe.status_words import LINEAR_SOLVER
from storm_calm.sandbox.probe.watching import (
    Call,
    RecordedCalls,
    Solved,
    SolveOutcome,
    Watcher,
    disguised_as,
    watch_function,
)

_AUTOMATIC = "auto_"  # the beginning of names that the library gives


def watch(library: ModuleType, channel: Channel) -> None:
    kind = library.Solver
    calls = RecordedCalls()
    set_time_limit = calls.record(kind, "SetTimeLimit")
    set_threads = calls.record(kind, "SetNumThreads")
    kind.set_time_limit = kind.SetTimeLimit  # The library has one function under both names.
    create = kind.CreateSolver

    @disguised_as(create)
    def create_recorded(solver_id: Any) -> Any:
        solver = create(solver_id)
        calls.add(solver, "CreateSolver", solver_id)
        return solver

    kind.CreateSolver = staticmethod(create_recorded)

    def solve(call: Call) -> Watcher:
        solver = call.arguments[0]
        given = calls.of(solver)
        name = _name(solver, str(given.get("CreateSolver", [""])[0]))
        if name == "CP-SAT" and "SetNumThreads" not in given:
            set_threads(solver, 1)  # The other solvers have one thread by default.
        seconds = None if "SetTimeLimit" in given else call.seconds_left
        if seconds is not None:
            set_time_limit(solver, int(1000 * seconds))
        outcome = yield
        if seconds is not None:
            set_time_limit(solver, 0)  # 0 is the default: no limit.
        return Solved(report=lambda: _report(solver, name, outcome), record=lambda: _record(solver, name, outcome))

    watch_function(kind, "Solve", channel, solve)


def _name(solver: Any, solver_id: str) -> str:
    """Return the solver's name in capitals. HiGHS has no version string, so it is known by the id that created it."""
    if solver_id.upper().startswith("HIGHS"):
        return "HIGHS"
    return str(solver.SolverVersion()).split()[0].partition("-0")[0].upper()


def _report(solver: Any, name: str, outcome: SolveOutcome) -> SolverReport:
    variables = solver.variables()
    goal = solver.Objective()
    has_objective = any(goal.GetCoefficient(variable) for variable in variables)
    solve_status = LINEAR_SOLVER.status(outcome.value)
    solved = has_objective and solve_status in ("optimal", "feasible")
    return report(
        library="ortools.linear_solver",
        solver=name,
        status=solve_status,
        maximize=goal.maximization() if has_objective else None,
        objective=goal.Value() if solved else None,
        bound=goal.BestBound() if solved and solver.IsMip() else None,
        convex=not solver.IsMip(),
        variables=count((variable.integer(), variable.lb(), variable.ub()) for variable in variables),
        constraints=solver.NumConstraints(),
        seconds=outcome.seconds,
    )


def _record(solver: Any, name: str, outcome: SolveOutcome) -> SolveRecord:
    from ortools.linear_solver import linear_solver_pb2

    check_size(solver.NumVariables(), solver.NumConstraints())
    proto = linear_solver_pb2.MPModelProto()
    solver.ExportModelToProto(proto)  # The wrapper's own functions read one coefficient at a time.
    check_size(len(proto.variable), len(proto.constraint), sum(len(row.var_index) for row in proto.constraint))
    if proto.general_constraint:
        raise NotRecordedError("it has general constraints, such as indicators")
    model = LinearModel(maximize=proto.maximize, offset=proto.objective_offset)
    for one in proto.variable:
        model.add_variable(one.lower_bound, one.upper_bound, integer=one.is_integer, cost=one.objective_coefficient)
    for row in proto.constraint:
        model.add_row(row.var_index, row.coefficient, row.lower_bound, row.upper_bound)
    variables, rows = solver.variables(), solver.constraints()
    solved = LINEAR_SOLVER.status(outcome.value) in ("optimal", "feasible")
    # OR-Tools 9.15 returns the activities of the rows as HiGHS's duals.
    proven = solved and not solver.IsMip() and name != "HIGHS"
    names = [variable.name() for variable in variables]
    if any(name.startswith(_AUTOMATIC) for name in names):
        own = program_names(type(variables[0]), lambda variable: variable.index())
        names = [own.get(i, "") if name.startswith(_AUTOMATIC) else name for i, name in enumerate(names)]
    return SolveRecord(
        variables=names,
        values=[variable.solution_value() for variable in variables] if solved else None,
        reduced_costs=[variable.reduced_cost() for variable in variables] if proven else None,
        constraints=["" if row.name().startswith(_AUTOMATIC) else row.name() for row in rows],
        duals=[row.dual_value() for row in rows] if proven else None,
        model=model,
    )
