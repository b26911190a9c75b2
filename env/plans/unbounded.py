"""Why a model is unbounded: a direction in which the objective improves without a limit."""

from dataclasses import dataclass

from storm_calm.env.plans.plan import PlanLine
from storm_calm.env.plans.record import LinearModel, RecordedSolve
from storm_calm.env.plans.solver_process import run_task
from storm_calm.env.serialize import from_json
from storm_calm.sandbox import Sandbox


@dataclass(frozen=True, kw_only=True, slots=True)
class _Result:
    status: str
    reason: str = ""
    gain: float = 0.0
    direction: tuple[float, ...] = ()
    failed: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ray:
    """A direction in which a model has no limit."""

    gain: float
    """The change of the objective per step."""
    lines: tuple[PlanLine, ...]
    """The change of each variable per step, for those that change."""


def find_ray(solve: RecordedSolve, sandbox: Sandbox, *, seconds: float = 5.0) -> Ray | None:
    """Return a direction without a limit; None if the model is not linear, or none was found.

    Raises SandboxUnavailableError if the sandbox fails.
    """
    if not isinstance(solve.model, LinearModel):
        return None
    result = run_task(sandbox, "ray", solve.model, seconds=seconds)
    try:
        found = from_json(_Result, result)
    except ValueError:
        return None
    if found.status != "unbounded" or len(found.direction) != len(solve.variables):
        return None
    lines = [
        PlanLine(name=solve.variable(number), value=value, integer=None)
        for number, value in enumerate(found.direction)
        if abs(value) > 1e-9
    ]
    return Ray(gain=found.gain, lines=tuple(lines))
