"""Where model-written code runs: one interface, a fork server behind it, and a probe that reports every solve.

    from sandbox import open_sandbox

    with open_sandbox() as sandbox:
        print(sandbox.run("print(6 * 7)").stdout)

Imports nothing of the other packages, so it can be taken out and used alone.
"""

from sandbox.base import Limits, Sandbox
from sandbox.execution import TIERS, Execution, SandboxUnavailableError, SolverReport, Status, Tier

__all__ = [
    "TIERS",
    "Execution",
    "Limits",
    "Sandbox",
    "SandboxUnavailableError",
    "SolverReport",
    "Status",
    "Tier",
    "open_sandbox",
]


def open_sandbox(
    backend: str = "local",
    *,
    minimum_tier: Tier = "landlock",
    tier: Tier = "full",
    workers: int | None = None,
    limits: Limits | None = None,
) -> Sandbox:
    """Open a sandbox; close it, or use it in a `with`.

    backend: "local", a fork server on this machine.
    minimum_tier: refuse to open below it.
    tier: the highest tier to use, where the machine could do more.
    workers: how many programs run at once, the number of processors by default; more than that wait their turn.
    limits: of every run that brings none of its own.
    Raises SandboxUnavailableError where the machine can't reach `minimum_tier`, with what is missing and a way out.
    """
    for name, value in (("minimum_tier", minimum_tier), ("tier", tier)):
        if value not in TIERS:
            raise ValueError(f"{name} {value!r} is none of {', '.join(TIERS)}")
    if TIERS.index(tier) > TIERS.index(minimum_tier):
        raise ValueError(f"tier {tier!r} is below minimum_tier {minimum_tier!r}")
    if backend != "local":
        raise ValueError(f'backend {backend!r} is unknown; use "local"')
    from sandbox.local import LocalSandbox

    return LocalSandbox(minimum_tier=minimum_tier, tier=tier, workers=workers, limits=limits or Limits())
