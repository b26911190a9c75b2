"""What the tests of the probe share: running a program for its one report, and a model that no solver finishes soon."""

from storm_calm.sandbox import Limits, Sandbox, SolverReport

SHORT = Limits(seconds=3, memory_mb=1024)
"""Limits for a solve that would take longer: it has about 1.2 seconds."""

MARKET = """
import random
random.seed(3)
ROWS, COLUMNS = 4, 30
A = [[random.randint(0, 99) for _ in range(COLUMNS)] for _ in range(ROWS)]
B = [sum(row) // 2 for row in A]
"""
"""A market split: A x + s - t = B, x binary; minimize the slacks s and t. Anything is a solution, none is proven."""

MARKET_COUNTS = (8, 0, 30, 4)
"""Its continuous, integer and binary variables, and its constraints."""


def report(sandbox: Sandbox, code: str, limits: Limits | None = None) -> SolverReport:
    """The one report of a program that must run to its end."""
    found, _ = report_and_output(sandbox, code, limits)
    return found


def report_and_output(sandbox: Sandbox, code: str, limits: Limits | None = None) -> tuple[SolverReport, str]:
    """The same, and what the program printed."""
    execution = sandbox.run(code, limits=limits)
    assert execution.status == "ok", execution.stderr
    assert len(execution.reports) == 1, execution.reports
    return execution.reports[0], execution.stdout


def counts(found: SolverReport) -> tuple[int, int, int, int]:
    """Its continuous, integer and binary variables, and its constraints."""
    return found.continuous, found.integer, found.binary, found.constraints


def values(found: SolverReport) -> tuple[float | None, float | None]:
    """Its objective and its bound, rounded."""
    objective, bound = (None if value is None else round(value, 4) for value in (found.objective, found.bound))
    return objective, bound
