"""Read what an export starts from: the golden trajectories of a curation's folder, or problems."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.agents.reasoners import CHAT_PREFIX
from storm_calm.agents.runs.run_folder import stored_settings
from storm_calm.env import Episode, Problem, read_episodes, read_problems
from storm_calm.env.jsonl import read_jsonl
from storm_calm.env.serialize import from_json
from storm_calm.rl.datasets.training_rows import Format

_WANTED = "give the folder that storm curate wrote"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportRecord:
    """What becomes one row: a golden trajectory, or for verl-rl a problem alone."""

    problem: Problem
    """The problem."""
    trajectory: Episode | None
    """The golden trajectory; None for verl-rl."""

    @property
    def tokens(self) -> int:
        """Tokens of the trajectory, prompt included, estimated if it has no token ids; 0 without one."""
        return self.trajectory.transcript.count() if self.trajectory else 0


def read_records(source: Path, format: Format) -> list[ExportRecord]:
    """Return the records of a source, in its order. Raises ValueError for a source that does not fit the format."""
    if format == "verl-rl":
        return [ExportRecord(problem=problem, trajectory=None) for problem in problems_of(source)]
    return [ExportRecord(problem=golden.problem, trajectory=golden) for golden in golden_trajectories(source)]


def golden_trajectories(source: Path) -> tuple[Episode, ...]:
    """Return the golden trajectories of a curation's folder, in its order.

    Raises ValueError if it is not a curation's folder, or has no golden trajectory.
    """
    if not source.is_dir():
        raise ValueError(f"{source}: {'not a folder' if source.exists() else 'no such folder'}; {_WANTED}")
    if stored_settings(source) is None:
        raise ValueError(f"{source}: no curation is in it, config.toml is missing; {_WANTED}")
    golden = source / "golden.jsonl"
    runs = read_episodes(golden) if golden.exists() else ()
    if not runs:
        raise ValueError(f"{source}: no golden runs in it; look at its summary.json for what became of its problems")
    return runs


def problems_of(source: Path) -> tuple[Problem, ...]:
    """The problems of a file, or all that a curation has worked on, golden or not: what fails is there to be learned.

    Raises ValueError for neither.
    """
    if not source.is_dir():
        return read_problems(source)
    episodes = source / "episodes.jsonl"
    if stored_settings(source) is None or not episodes.exists():
        raise ValueError(f"{source}: no curation is in it; {_WANTED}, or a file of problems")
    records = read_jsonl(episodes, _problem, growing=True, what="a record of a curation")
    problems = {problem.id: problem for _, problem in records}
    if not problems:
        raise ValueError(f"{source}: no problem of it is done yet")
    return tuple(problems.values())


def _problem(record: dict[str, Any]) -> Problem:
    return from_json(Problem, record["episode"]["problem"])


def is_finished(source: Path) -> bool:
    """Whether all that belongs to `source` is there; False for a curation that was stopped half way."""
    return not source.is_dir() or (source / "summary.json").exists()


def knows_protocol(source: Path) -> bool:
    """Return whether the reasoner of a curation knows the protocol, as nano models do, and needs no instructions.

    True for a file of problems too: the model to train is not known, and nano is the default everywhere.
    """
    settings = stored_settings(source) if source.is_dir() else None
    return not str((settings or {}).get("reasoner", "nano")).startswith(("http://", "https://", CHAT_PREFIX))
