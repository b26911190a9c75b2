"""The plan behind an answer: the recorded solve that a solver report connects with it, checked and examined."""

from collections.abc import Sequence
from dataclasses import dataclass

from storm_calm.agents.verdict.solver_backing import SolverBacking, solver_backing
from storm_calm.env import Episode
from storm_calm.env.plans.checks import Check, check, confirm
from storm_calm.env.plans.examination import SECONDS, Examination, examine
from storm_calm.env.plans.record import RecordedSolve, record_of
from storm_calm.env.serialize import from_json
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


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedAnswer:
    """The recorded solve behind an answer."""

    code: str
    """The program."""
    solve: RecordedSolve
    backs: bool
    """Whether it backs the answer; otherwise it is the solve that contradicts it, or the last one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExaminedSolve(RecordedAnswer):
    """A recorded solve and its examination."""

    examination: Examination


def recorded_answer(episode: Episode, messages: Sequence[str] = ()) -> RecordedAnswer | None:
    """Return the solve that backs or contradicts the answer, or the last one; None if it was not recorded."""
    backing = solver_backing(episode, messages)
    solve = None if backing.solve is None else record_of(backing.solve.execution, backing.solve.report)
    if backing.solve is None or solve is None:
        return None
    return RecordedAnswer(code=backing.solve.execution.code, solve=solve, backs=backing.backing == "backed")


def examine_answer(
    episode: Episode, sandbox: Sandbox, messages: Sequence[str] = (), *, seconds: float = SECONDS
) -> ExaminedSolve | None:
    """Examine the solve that backs or contradicts the answer, or the last one; None if it was not recorded.

    messages: as for `solver_backing`. seconds: time limit of each solve.
    Raises SandboxUnavailableError if the sandbox fails.
    """
    recorded = recorded_answer(episode, messages)
    return None if recorded is None else _examined(recorded, examine(recorded.solve, sandbox, seconds=seconds))


def examined_answer(episode: Episode, examination: object) -> ExaminedSolve | None:
    """Return what `examine_answer` returned, from the JSON data of its examination; None if that is None.

    Raises ValueError for other data.
    """
    recorded = None if examination is None else recorded_answer(episode)
    return None if recorded is None else _examined(recorded, from_json(Examination, examination))


def _examined(recorded: RecordedAnswer, examination: Examination) -> ExaminedSolve:
    return ExaminedSolve(code=recorded.code, solve=recorded.solve, backs=recorded.backs, examination=examination)
