"""Everything that is worth knowing about a recorded solve: the plan, its check, and what explains the result.

found = examine(solve, sandbox)
found.plan, found.check, found.sensitivity, found.conflict
"""

from dataclasses import dataclass

from storm_calm.env.plans.checks import Check, check, confirm
from storm_calm.env.plans.conflict import Conflict, Relaxation, cheapest_relaxation, find_conflict
from storm_calm.env.plans.plan import Plan, plan_of
from storm_calm.env.plans.record import RecordedSolve
from storm_calm.env.plans.sensitivity import Sensitivity, analyze
from storm_calm.env.plans.unbounded import Ray, find_ray
from storm_calm.sandbox import Sandbox

SECONDS = 5.0
"""Time limit of each solve of an examination."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """The examination of one solve."""

    check: Check
    plan: Plan | None = None
    """None without a solution."""
    sensitivity: Sensitivity | None = None
    """What binds and what it is worth; only of an optimal plan that passed its check."""
    conflict: Conflict | None = None
    """The constraints that cannot hold together; only of an infeasible model."""
    relaxation: Relaxation | None = None
    """The cheapest change that makes an infeasible model feasible."""
    ray: Ray | None = None
    """The direction without a limit of an unbounded model."""


def examine(solve: RecordedSolve, sandbox: Sandbox, *, seconds: float = SECONDS) -> Examination:
    """Examine a solve. Never raises for what the program wrote; raises SandboxUnavailableError if the sandbox fails."""
    checked = confirm(check(solve), solve, sandbox, seconds=seconds)
    plan = plan_of(solve)
    if checked.outcome == "failed" or solve.model is None:
        return Examination(check=checked, plan=plan)
    match solve.report.status:
        case "optimal":
            return Examination(check=checked, plan=plan, sensitivity=analyze(solve, sandbox, seconds=seconds))
        case "infeasible":
            return Examination(
                check=checked,
                conflict=find_conflict(solve, sandbox, seconds=seconds),
                relaxation=cheapest_relaxation(solve, sandbox, seconds=seconds),
            )
        case "unbounded":
            return Examination(check=checked, ray=find_ray(solve, sandbox, seconds=seconds))
    return Examination(check=checked, plan=plan)
