"""The kinds of runs that Ray can solve: how a job becomes JSON data, a record, and a result again."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.files import Folder
from storm_calm.agents.curation.problem_runner import open_problem_runner
from storm_calm.agents.curation.records import record_from_json, record_to_json
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.sample_runner import open_sample_runner
from storm_calm.agents.evaluation.samples import sample_from_json, sample_to_json
from storm_calm.agents.runs.cancellable_reasoner import CancellableReasoner
from storm_calm.env import Problem
from storm_calm.env.serialize import from_json, to_json

REPLIES = "intervener_replies.jsonl"
"""The cache of the intervener's replies, in a run folder and in the folder of an actor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRunner:
    """A runner of jobs in an actor. Thread-safe."""

    solve: Callable[[Mapping[str, Any]], dict[str, Any]]
    """Return the JSON data of the record of a job, which is given as JSON data."""
    reasoner: CancellableReasoner
    """The reasoner that `solve` uses, for its usage."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobKind:
    """A kind of run."""

    key: Callable[[Any], Any]
    """Return the key of a job's result."""
    to_data: Callable[[Any], dict[str, Any]]
    """Return the JSON data of a job."""
    result: Callable[[Mapping[str, Any]], Any]
    """Return the result in the JSON data of a record."""
    open: Callable[[Any, Path, Path], AbstractContextManager[JobRunner]]
    """Open a runner, given the config, the run folder and an own folder for temporary files."""


def kind_of(config: Any) -> JobKind:
    """Return the kind of run with this config."""
    return KINDS[type(config)]


@contextmanager
def _open_curation(config: CurateConfig, run: Path, own: Path) -> Iterator[JobRunner]:
    folder = Folder(own)
    # A problem of a lost node starts anew on another one, so its state needs no disk.
    folder.checkpoints = Path(":memory:")
    if (run / REPLIES).exists():
        shutil.copy(run / REPLIES, folder.intervener_replies)
    with open_problem_runner(config, folder) as runner:

        def solve(data: Mapping[str, Any]) -> dict[str, Any]:
            problem = from_json(Problem, data["problem"])
            try:
                return record_to_json(runner.run(problem))
            finally:
                runner.forget(problem.id)

        yield JobRunner(solve=solve, reasoner=runner.reasoner)


@contextmanager
def _open_evaluation(config: EvalConfig, run: Path, own: Path) -> Iterator[JobRunner]:
    with open_sample_runner(config) as runner:

        def solve(data: Mapping[str, Any]) -> dict[str, Any]:
            job = from_json(Problem, data["problem"]), data["repetition"], data["sample"]
            return sample_to_json(runner.run(job))

        yield JobRunner(solve=solve, reasoner=runner.reasoner)


KINDS = {
    CurateConfig: JobKind(
        key=lambda problem: problem.id,
        to_data=lambda problem: {"problem": to_json(problem)},
        result=record_from_json,
        open=_open_curation,
    ),
    EvalConfig: JobKind(
        key=lambda job: (job[0].id, job[1], job[2]),
        to_data=lambda job: {"problem": to_json(job[0]), "repetition": job[1], "sample": job[2]},
        result=sample_from_json,
        open=_open_evaluation,
    ),
}
