"""Helpers of the probe tests: run a program for its one report, and a model that no solver finishes in time."""

from storm_calm.sandbox import Limits, Sandbox, SolverReport

SHORT = Limits(seconds=3, memory_mb=1024)
"""Limits for a solve that would take longer. It has about 1.2 seconds."""

MARKET = """
import random
random.seed(3)
ROWS, COLUMNS = 6, 50
A = [[random.randint(0, 99) for _ in range(COLUMNS)] for _ in range(ROWS)]
B = [sum(row) // 2 for row in A]
"""
"""A market split: A x + s - t = B, x binary; minimize the slacks s and t. Every x is feasible, none is proven optimal.
"""

MARKET_COUNTS = (12, 0, 50, 6)
"""Numbers of its continuous, integer and binary variables, and of its constraints."""


def report(sandbox: Sandbox, code: str, limits: Limits | None = None) -> SolverReport:
    """Return the one report of a program, which must run to its end."""
    found, _ = report_and_output(sandbox, code, limits)
    return found


def report_and_output(sandbox: Sandbox, code: str, limits: Limits | None = None) -> tuple[SolverReport, str]:
    """Return the one report of a program and its output."""
    execution = sandbox.run(code, limits=limits)
    assert execution.status == "ok", execution.stderr
    assert len(execution.reports) == 1, execution.reports
    return execution.reports[0], execution.stdout


def counts(found: SolverReport) -> tuple[int, int, int, int]:
    """Return the numbers of continuous, integer and binary variables, and of constraints."""
    return found.continuous, found.integer, found.binary, found.constraints


def values(found: SolverReport) -> tuple[float | None, float | None]:
    """Return the objective and the bound, rounded."""
    objective, bound = (None if value is None else round(value, 4) for value in (found.objective, found.bound))
    return objective, bound
