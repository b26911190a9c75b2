"""Checking a recorded solve: whether its solution keeps the recorded model, and whether the report fits both.

    found = check(solve)
    found.outcome, found.faults, found.unchecked

The check uses nothing but the numbers of the record, and runs in this process. It proves that the plan is feasible for
the recorded model and has the reported objective. It does not prove that no better plan exists (`confirm` solves the
model again for that), nor that the model is the one that the question describes.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from storm_calm.env.plans import cp_sat, feasibility
from storm_calm.env.plans.feasibility import Violation
from storm_calm.env.plans.record import CpSatModel, LinearModel, RecordedSolve
from storm_calm.env.plans.second_solver import solve_again
from storm_calm.sandbox import Sandbox, SolverReport

Outcome = Literal["passed", "failed", "unknown"]

TOLERANCE = 1e-6
"""Relative violation and relative difference of objectives that count as none; most solvers work to this."""
INTEGRALITY = 1e-5
"""Distance to a whole number that counts as none: the default of Gurobi and CBC."""
FIRST_ORDER_TOLERANCE = 1e-3
"""The tolerance for solvers that stop early by design."""
FIRST_ORDER = ("OSQP", "SCS", "PDLP", "COPT_PDLP")
"""Solvers that stop at a relative accuracy of 1e-3 to 1e-5."""
GAP = 1.1e-4
"""Relative distance to the optimum at which a solver may stop and report "optimal": the default gap of HiGHS and
Gurobi is 1e-4."""
MAX_FAULTS = 5
"""Violations that are put into words."""
CONFIRM_SECONDS = 5.0
"""Seconds for solving a model again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """The result of a check."""

    outcome: Outcome
    """passed: the solution keeps the model and fits the report, or the status was confirmed by another solve. failed:
    something is wrong. unknown: nothing could be checked."""
    objective: float | None = None
    """The objective of the solution, recomputed."""
    violation: float | None = None
    """The largest violation, relative to the size of the numbers in its constraint; None if none was computed."""
    faults: tuple[str, ...] = ()
    """What is wrong, in words."""
    unchecked: tuple[str, ...] = ()
    """What was not checked and why, in words."""
    confirmed: str = ""
    """The solver of a second solve with the same result, so that an optimum is one; "" without."""


def check(solve: RecordedSolve) -> Check:
    """Check a recorded solve. Never raises for what the program wrote."""
    if solve.malformed:
        return Check(outcome="failed", faults=(solve.malformed,))
    if solve.model is None:
        return Check(outcome="unknown", unchecked=(solve.omitted or "the solve was not recorded",))
    try:
        faults = [*_mismatches(solve)]
        if solve.report.status not in ("optimal", "feasible"):
            return _with(faults, Check(outcome="unknown", unchecked=(f"the solver reported {solve.report.status}",)))
        if solve.values is None:
            return _with(faults, Check(outcome="unknown", unchecked=("the library gave no values of the variables",)))
        if not isinstance(solve.model, LinearModel | CpSatModel):
            return _with(faults, Check(outcome="unknown", unchecked=(solve.omitted or "the model is text",)))
        objective, found = _objective(solve, solve.values), _violations(solve, solve.values)
    except (ValueError, OverflowError) as error:  # Also numbers so large that their sum is not one.
        return Check(outcome="failed", faults=(f"the recorded model is malformed: {error}",))
    except cp_sat.TooLargeError as error:
        return Check(outcome="unknown", unchecked=(str(error),))
    faults += [*_objective_faults(solve.report, objective), *_violation_faults(solve.report, found)]
    worst = max((one.relative for one in found), default=0.0)
    unchecked = ("the optimum: the model was not solved again",) if solve.report.status == "optimal" else ()
    return _with(faults, Check(outcome="passed", objective=objective, violation=worst, unchecked=unchecked))


def confirm(checked: Check, solve: RecordedSolve, sandbox: Sandbox, *, seconds: float = CONFIRM_SECONDS) -> Check:
    """Solve the recorded model again, and compare the results. Raises SandboxUnavailableError if the sandbox fails.

    A proof of optimality, infeasibility or unboundedness is confirmed or refuted; without a result in time it stays
    unchecked.
    """
    status = solve.report.status
    if checked.outcome == "failed" or status not in ("optimal", "infeasible", "unbounded"):
        return checked
    if not isinstance(solve.model, LinearModel | CpSatModel):
        return checked
    again = solve_again(solve, sandbox, seconds=seconds)
    if again.status == "open":
        return _unchecked(checked, status, again.reason or "no result in time")
    if again.status == "infeasible" and checked.outcome == "passed":
        return _unchecked(checked, status, f"{again.solver} finds the model infeasible, which the plan refutes")
    found: float | None = None
    if again.status == "optimal":
        # Nor is the second solver believed.
        if again.values is None or not _keeps_model(solve, again.values):
            return _unchecked(checked, status, f"the plan of {again.solver} does not keep the model")
        found = _objective(solve, again.values)
    # GLOP has one status for infeasible and unbounded models.
    if again.status != status and not (status == "infeasible" and again.status == "unbounded"):
        return _with([f"the report says {status}, but solving the model again gave {again.status}"], checked)
    if found is not None and checked.objective is not None:
        better = found - checked.objective if _maximizes(solve) else checked.objective - found
        if better > max(GAP, _tolerance(solve.report)) * max(1.0, abs(found)):
            return _with([f"a better plan exists: {found:.10g} instead of {checked.objective:.10g}"], checked)
    return replace(checked, outcome="passed", confirmed=again.solver, unchecked=())


def _unchecked(checked: Check, status: str, reason: str) -> Check:
    kept = "the optimum" if status == "optimal" else f"that the model is {status}"
    return replace(checked, unchecked=(f"{kept}: {reason}",))


def _keeps_model(solve: RecordedSolve, values: Sequence[float]) -> bool:
    """Return whether values keep the recorded model."""
    if len(values) != len(solve.variables):
        return False
    try:
        return not list(_violation_faults(solve.report, _violations(solve, values)))
    except (ValueError, OverflowError, cp_sat.TooLargeError):
        return False


def _objective(solve: RecordedSolve, values: Sequence[float]) -> float | None:
    if isinstance(solve.model, LinearModel):
        return feasibility.objective(solve.model, values)
    assert isinstance(solve.model, CpSatModel)
    return cp_sat.objective(cp_sat.parse(solve.model), values)


def _violations(solve: RecordedSolve, values: Sequence[float]) -> list[Violation]:
    if isinstance(solve.model, LinearModel):
        return list(feasibility.violations(solve, solve.model, values))
    assert isinstance(solve.model, CpSatModel)
    return list(cp_sat.violations(solve, cp_sat.parse(solve.model), values))


def _with(faults: Sequence[str], checked: Check) -> Check:
    """Return the check with more faults; it fails if there are any."""
    if not faults:
        return checked
    return replace(checked, outcome="failed", faults=(*checked.faults, *faults))


def _mismatches(solve: RecordedSolve) -> Iterator[str]:
    """Yield how the record differs from the report, so that it must be of another model."""
    report, model = solve.report, solve.model
    if isinstance(model, LinearModel):
        if report.sense and (report.sense == "maximize") != model.maximize:
            yield f"the report says {report.sense}, but the recorded model does not"
        # cvxpy reports the program's variables and records what it made of them for the solver.
        if report.library == "cvxpy":
            return
        whole = report.integer + report.binary
        for kind, reported, recorded in (
            ("variables", report.continuous + whole, len(model.costs)),
            ("whole variables", whole, len(model.integer)),
            ("constraints", report.constraints, len(model.row_lower)),
        ):
            # Pyomo hands no variable to the solver that its model does not use, and no constraint without variables.
            if recorded > reported or (recorded < reported and report.library != "pyomo"):
                yield f"the report counts {reported} {kind}, the recorded model has {recorded}"
    elif isinstance(model, CpSatModel):
        proto = cp_sat.parse(model)
        if report.sense and (report.sense == "maximize") != cp_sat.maximizes(proto):
            yield f"the report says {report.sense}, but the recorded model does not"
        if report.integer + report.binary != len(proto.variables) or report.constraints != len(proto.constraints):
            yield "the report counts other numbers of variables or constraints than the recorded model has"


def _tolerance(report: SolverReport) -> float:
    return FIRST_ORDER_TOLERANCE if report.solver in FIRST_ORDER else TOLERANCE


def _objective_faults(report: SolverReport, objective: float | None) -> Iterator[str]:
    if report.objective is None or objective is None:
        return
    if not math.isfinite(objective):
        yield "the objective of the recorded plan is too large for a number"
    elif abs(objective - report.objective) > _tolerance(report) * max(1.0, abs(objective), abs(report.objective)):
        yield f"the report says {report.objective:.10g}, but the recorded plan has the objective {objective:.10g}"


def _violation_faults(report: SolverReport, found: Sequence[Violation]) -> Iterator[str]:
    tolerance = _tolerance(report)
    broken = [
        one for one in found if one.relative > (max(INTEGRALITY, tolerance) if one.kind == "integrality" else tolerance)
    ]
    broken.sort(key=lambda one: -one.relative)
    for one in islice(broken, MAX_FAULTS):
        if one.kind == "integrality":
            yield f"{one.name} must be whole, and is {one.amount:.4g} away from it"
        elif one.kind == "bound":
            yield f"{one.name} is outside of its bounds by {one.amount:.4g}"
        else:
            yield f"{one.name} is violated by {one.amount:.4g}"
    if len(broken) > MAX_FAULTS:
        yield f"{len(broken) - MAX_FAULTS} more limits are violated"


def _maximizes(solve: RecordedSolve) -> bool:
    if isinstance(solve.model, LinearModel):
        return solve.model.maximize
    assert isinstance(solve.model, CpSatModel)
    return cp_sat.maximizes(cp_sat.parse(solve.model))
