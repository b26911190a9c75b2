"""The check of the plan behind an answer: the recorded solve that a solver report connects with it."""

from collections.abc import Sequence

from storm_calm.agents.verdict.solver_backing import SolverBacking, solver_backing
from storm_calm.env import Episode
from storm_calm.env.plans.check import Check, check, confirm
from storm_calm.env.plans.record import RecordedSolve, record_of
from storm_calm.sandbox import Sandbox


def answering_solve(backing: SolverBacking) -> RecordedSolve | None:
    """Return the record of the solve that backs an answer; None if nothing backs it or the solve was not recorded."""
    if backing.backing != "backed" or backing.solve is None:
        return None
    return record_of(backing.solve.execution, backing.solve.report)


def check_answer(episode: Episode, sandbox: Sandbox, messages: Sequence[str] = ()) -> Check | None:
    """Check the solve that backs the answer, and solve its model again; None if it was not recorded.

    messages: as for `solver_backing`. Raises SandboxUnavailableError if the sandbox fails.
    """
    solve = answering_solve(solver_backing(episode, messages))
    return None if solve is None else confirm(check(solve), solve, sandbox)
