"""Helpers of the tests of solve records: run a program for the record of its one solve, and recompute its solution."""

from storm_calm.env.plans import feasibility
from storm_calm.env.plans.record import LinearModel, RecordedSolve, read_records
from storm_calm.sandbox import Limits, Sandbox


def recorded(sandbox: Sandbox, code: str, limits: Limits | None = None) -> RecordedSolve:
    """Return the record of a program's one solve. The program must run to its end."""
    execution = sandbox.run(code, limits=limits, record=True)
    assert execution.status == "ok", execution.stderr
    assert len(execution.solve_records) == 1, execution.reports
    return read_records(execution)[0]


def plan(solve: RecordedSolve) -> dict[str, float]:
    """Return the recorded value of each variable by name, rounded."""
    assert solve.values is not None
    numbers = range(len(solve.values))
    return {solve.variable(number): round(solve.values[number], 5) + 0.0 for number in numbers}


def rows(solve: RecordedSolve) -> dict[str, tuple[float | None, dict[str, float], float | None]]:
    """Return each linear row by name: lower limit, coefficients by variable, upper limit."""
    model = solve.model
    assert isinstance(model, LinearModel), solve.omitted
    return {
        solve.constraint(number): (
            model.row_lower[number],
            {solve.variable(i): a for i, a in model.row(number)},
            model.row_upper[number],
        )
        for number in range(len(model.row_lower))
    }


def check_solution(solve: RecordedSolve, tolerance: float = 1e-5) -> None:
    """Assert that the recorded solution keeps all limits and has the reported objective, both recomputed."""
    model = solve.model
    assert isinstance(model, LinearModel), solve.omitted
    assert solve.values is not None
    worst = max((one.relative for one in feasibility.violations(solve, model, solve.values)), default=0.0)
    assert worst < tolerance
    objective = feasibility.objective(model, solve.values)
    assert solve.report.objective is not None
    assert abs(objective - solve.report.objective) <= tolerance * max(1.0, abs(objective))
    assert (solve.report.sense == "maximize") == model.maximize
