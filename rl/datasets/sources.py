"""Where an export takes its runs and problems from: a curation's folder, or a file of problems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storm_calm.agents.reasoners import CHAT_PREFIX
from storm_calm.agents.runs.run_folder import stored_settings
from storm_calm.env import Episode, Problem, read_episodes, read_problems
from storm_calm.env.jsonl import read_jsonl
from storm_calm.env.serialize import from_json

_WANTED = "give the folder that storm curate wrote"


def golden_runs(source: Path) -> tuple[Episode, ...]:
    """The golden runs of a curation's folder, in its order.

    Raises ValueError for something else than a curation's folder, and where there is no golden run.
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


def told_nothing(source: Path) -> bool:
    """Whether the reasoner of a curation knows the protocol, as nano models do, and needs no instructions.

    True for a file of problems too: whoever is to be trained on it is not known, and nano is the default everywhere.
    """
    settings = stored_settings(source) if source.is_dir() else None
    return not str((settings or {}).get("reasoner", "nano")).startswith(("http://", "https://", CHAT_PREFIX))
