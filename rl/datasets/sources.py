"""Read the source of an export: the golden trajectories of a curation, or problems."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.agents.curation.records import CURATION_RECORDS, GOLDEN_EPISODES
from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES
from storm_calm.agents.reasoners import CHAT_PREFIX
from storm_calm.agents.runs.record_kind import RecordKind
from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.agents.runs.run_folder import stored_settings
from storm_calm.env import Episode, Problem, read_problems
from storm_calm.env.jsonl import parse_line, raw_lines, read_jsonl
from storm_calm.env.records import episode_from_json
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


def read_records(source: Path, format: Format) -> Iterator[ExportRecord]:
    """Yield the records of a source in order. Raises ValueError for a source that does not fit the format."""
    if format in OF_PROBLEMS:
        for problem in problems_of(source):
            yield ExportRecord(problem=problem, trajectory=None)
    else:
        for golden in golden_trajectories(source):
            yield ExportRecord(problem=golden.problem, trajectory=golden)


def golden_trajectories(source: Path) -> Iterator[Episode]:
    """Yield the golden trajectories of a curation, in order.

    Raises ValueError for any other folder, and for a curation without golden trajectories.
    """
    if not source.is_dir():
        raise ValueError(f"{source}: {'not a folder' if source.exists() else 'no such folder'}; {_FIX}")
    if stored_settings(source) is None:
        raise ValueError(f"{source}: not a curation, config.toml is missing; {_FIX}")
    found = False
    for episode in golden_episodes(source):
        found = True
        yield episode
    if not found:
        raise ValueError(f"{source}: no golden trajectories in it; its summary.json has the results of all problems")


def problems_of(source: Path) -> Iterator[Problem]:
    """Yield the problems of a file or of a curation, golden or not, since GRPO learns from failures too.

    Raises ValueError for any other folder, and for a curation without results.
    """
    if not source.is_dir():
        yield from read_problems(source)
        return
    if stored_settings(source) is None or not CURATION_RECORDS.exists(source):
        raise ValueError(f"{source}: not a curation; {_FIX}, or a file of problems")
    found = False
    for record in curation_lines(source):
        found = True
        yield from_json(Problem, record["episode"]["problem"])
    if not found:
        raise ValueError(f"{source}: the curation has not finished any problem yet")


def golden_episodes(source: Path) -> Iterator[Episode]:
    """Yield the golden trajectories in the run folder of a curation. Raises ValueError for an invalid one."""
    plain = GOLDEN_EPISODES.plain_file(source)
    if plain.exists():
        yield from (episode for _, episode in read_jsonl(plain, episode_from_json, growing=True))
    else:
        yield from map(episode_from_json, _lines(source, GOLDEN_EPISODES))


def curation_lines(source: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON data of the records of a curation, in order."""
    return _lines(source, CURATION_RECORDS)


def evaluation_lines(source: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON data of the samples of an evaluation, in order."""
    return _lines(source, EVALUATION_SAMPLES)


def _lines(source: Path, kind: RecordKind) -> Iterator[dict[str, Any]]:
    plain = kind.plain_file(source)
    if plain.exists():
        # A store would validate all records first. Callers parse the parts that they need.
        yield from _last_lines(plain, kind.what)
        return
    with RecordStore.open(source, kind) as store:
        yield from store.records()


def _last_lines(path: Path, what: str) -> Iterator[dict[str, Any]]:
    """Yield the last line of each key in a growing file, in the position of the first."""
    last: dict[object, tuple[int, int]] = {}
    with path.open("rb") as file:
        for line in raw_lines(file):
            data = parse_line(path, line.number, line.raw, dict, what=what)
            key = (data.get("id", line.number), data.get("repetition"), data.get("sample"))
            last[key] = line.start, line.number
        for start, number in last.values():
            file.seek(start)
            yield parse_line(path, number, file.readline(), dict, what=what)


def is_finished(source: Path) -> bool:
    """Return False for an unfinished curation or evaluation."""
    return not source.is_dir() or any((source / name).exists() for name in ("summary.json", "results.json"))


def knows_protocol(source: Path) -> bool:
    """Return whether the reasoner of a curation knows the protocol without instructions, as nano models do.

    True for a file of problems too, since nano is the default model.
    """
    settings = stored_settings(source) if source.is_dir() else None
    return not str((settings or {}).get("reasoner", "nano")).startswith(("http://", "https://", CHAT_PREFIX))
