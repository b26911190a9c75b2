"""Read the source of an export: the golden trajectories of a curation, or problems."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.agents.reasoners import CHAT_PREFIX
from storm_calm.agents.runs.run_folder import stored_settings
from storm_calm.env import Episode, Problem, read_episodes, read_problems
from storm_calm.env.jsonl import read_jsonl
from storm_calm.env.serialize import from_json
from storm_calm.rl.datasets.training_rows import OF_PROBLEMS, Format

_FIX = "give the run folder of storm curate"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportRecord:
    """The source of one row: a golden trajectory, or only a problem."""

    problem: Problem
    trajectory: Episode | None
    """None for formats of problems."""

    @property
    def tokens(self) -> int:
        """The tokens of the trajectory, prompt included, estimated if it has no token ids; 0 without a trajectory."""
        return self.trajectory.transcript.count() if self.trajectory else 0


def read_records(source: Path, format: Format) -> list[ExportRecord]:
    """Return the records of a source in order. Raises ValueError for a source that does not fit the format."""
    if format in OF_PROBLEMS:
        return [ExportRecord(problem=problem, trajectory=None) for problem in problems_of(source)]
    return [ExportRecord(problem=golden.problem, trajectory=golden) for golden in golden_trajectories(source)]


def golden_trajectories(source: Path) -> tuple[Episode, ...]:
    """Return the golden trajectories of a curation, in order.

    Raises ValueError for any other folder, and for a curation without golden trajectories.
    """
    if not source.is_dir():
        raise ValueError(f"{source}: {'not a folder' if source.exists() else 'no such folder'}; {_FIX}")
    if stored_settings(source) is None:
        raise ValueError(f"{source}: not a curation, config.toml is missing; {_FIX}")
    file = source / "golden.jsonl"
    golden = read_episodes(file) if file.exists() else ()
    if not golden:
        raise ValueError(f"{source}: no golden trajectories in it; its summary.json has the results of all problems")
    return golden


def problems_of(source: Path) -> tuple[Problem, ...]:
    """Return the problems of a file or of a curation, golden or not, since GRPO learns from failures too.

    Raises ValueError for any other folder, and for a curation without results.
    """
    if not source.is_dir():
        return read_problems(source)
    episodes = source / "episodes.jsonl"
    if stored_settings(source) is None or not episodes.exists():
        raise ValueError(f"{source}: not a curation; {_FIX}, or a file of problems")
    records = read_jsonl(episodes, _problem, growing=True, what="a record of a curation")
    problems = {problem.id: problem for _, problem in records}
    if not problems:
        raise ValueError(f"{source}: the curation has not finished any problem yet")
    return tuple(problems.values())


def _problem(record: dict[str, Any]) -> Problem:
    return from_json(Problem, record["episode"]["problem"])


def is_finished(source: Path) -> bool:
    """Return False for an unfinished curation."""
    return not source.is_dir() or (source / "summary.json").exists()


def knows_protocol(source: Path) -> bool:
    """Return whether the reasoner of a curation knows the protocol without instructions, as nano models do.

    True for a file of problems too, since nano is the default model.
    """
    settings = stored_settings(source) if source.is_dir() else None
    return not str((settings or {}).get("reasoner", "nano")).startswith(("http://", "https://", CHAT_PREFIX))
