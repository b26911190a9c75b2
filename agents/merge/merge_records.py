"""Merge the records of shards into the order of a run without shards, one problem at a time."""

import copy
import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from storm_calm.agents.merge.shard_folders import ShardFolder, unfinished_error
from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.agents.runs.run_folder import WORKSPACES
from storm_calm.agents.runs.shard import FILE, ShardProblem, read_shard_problems


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordLine:
    """A record in a shard's folder."""

    place: str
    """The folder and the key, for messages."""
    data: dict[str, Any]

    def moved(self, workspaces: Path) -> "RecordLine":
        """Return the line of a problem with generated files, after they moved to this folder of workspaces."""
        data = copy.deepcopy(self.data)
        for name in ("episode", "native"):
            if name in data:
                problem = data[name]["problem"]
                problem["folder"] = str(workspaces / Path(problem["folder"]).name)
        return replace(self, data=data)


@dataclass(frozen=True, kw_only=True, slots=True)
class MergedProblem:
    """The records of a problem."""

    place: ShardProblem
    shard: ShardFolder
    lines: tuple[RecordLine, ...]

    def in_folder(self, out: Path) -> tuple[RecordLine, ...]:
        """Return the lines as they are in a run folder. Only generated files of problems depend on the folder."""
        if not self.shard.settings.get("size"):
            return self.lines
        return tuple(line.moved(out.absolute() / WORKSPACES) for line in self.lines)


def merge_records(shards: Sequence[ShardFolder]) -> Iterator[MergedProblem]:
    """Yield the problems of all shards in the order of the run.

    Only one problem of each shard is in memory. Raises ValueError for an unfinished shard, and for a problem that is
    missing or in two shards.
    """
    before: MergedProblem | None = None
    streams = [_records_of(shard) for shard in shards]
    for expected, problem in enumerate(heapq.merge(*streams, key=lambda one: one.place.position)):
        position = problem.place.position
        if before is not None and before.place.position == position:
            raise ValueError(
                f"{before.shard.path / FILE} and {problem.shard.path / FILE}: both have position {position}; "
                f"write them anew, such as with {problem.shard.resume_command}"
            )
        if position != expected:
            raise ValueError(
                f"position {expected} is in no {FILE} of the shards; write each anew, such as with "
                f"{problem.shard.resume_command}"
            )
        yield problem
        before = problem


def _records_of(shard: ShardFolder) -> Iterator[MergedProblem]:
    """Yield the problems of a shard. A finished run has its records in the order of the problems."""
    with RecordStore.open(shard.path, shard.run.records) as store:
        if not store.is_finished:
            raise unfinished_error([shard])
        lines = zip(store.keys(), store.records(), strict=True)
        for place in read_shard_problems(shard.path):
            found: list[RecordLine] = []
            for key in shard.run.keys(place.id, shard.settings):
                found_key, data = next(lines, (None, {}))
                if found_key != key:
                    raise unfinished_error([shard])
                found.append(RecordLine(place=f"{shard.path}: {key}: ", data=data))
            yield MergedProblem(place=place, shard=shard, lines=tuple(found))
        if next(lines, None) is not None:
            raise unfinished_error([shard])


def json_line(data: Mapping[str, Any]) -> bytes:
    """Return an object as a line of a file."""
    return json.dumps(data, ensure_ascii=False).encode() + b"\n"
