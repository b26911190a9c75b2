"""Merge the records of shards into the order of a run without shards, one problem at a time."""

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from storm_calm.agents.merge.mergeable_runs import Key, key_of
from storm_calm.agents.merge.shard_folders import ShardFolder, unfinished_error
from storm_calm.agents.runs.run_folder import WORKSPACES
from storm_calm.agents.runs.shard import FILE, ShardProblem, read_shard_problems
from storm_calm.env.jsonl import parse_line, raw_lines


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordLine:
    """A line of the file of records in a shard's folder."""

    place: str
    """The file and the number of the line, for messages."""
    raw: bytes
    data: dict[str, Any]
    """The parsed line."""

    def moved(self, workspaces: Path) -> "RecordLine":
        """Return the line of a problem with generated files, after they moved to this folder of workspaces."""
        data = json.loads(self.raw)
        for name in ("episode", "native"):
            if name in data:
                problem = data[name]["problem"]
                problem["folder"] = str(workspaces / Path(problem["folder"]).name)
        return replace(self, raw=json_line(data), data=data)


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
    with shard.records.open("rb") as file:
        lines = raw_lines(file)
        for place in read_shard_problems(shard.path):
            found: list[RecordLine] = []
            for key in shard.run.keys(place.id, shard.settings):
                line = next(lines, None)
                if line is None:
                    raise unfinished_error([shard])
                found_key, data = parse_line(shard.records, line.number, line.raw, _keyed, what="a record of this run")
                if found_key != key:
                    raise unfinished_error([shard])
                raw = line.raw if line.closed else line.raw + b"\n"
                found.append(RecordLine(place=f"{shard.records}:{line.number}: ", raw=raw, data=data))
            yield MergedProblem(place=place, shard=shard, lines=tuple(found))
        if next(lines, None) is not None:
            raise unfinished_error([shard])


def json_line(data: Mapping[str, Any]) -> bytes:
    """Return an object as a line of a file."""
    return json.dumps(data, ensure_ascii=False).encode() + b"\n"


def _keyed(data: dict[str, Any]) -> tuple[Key, dict[str, Any]]:
    return key_of(data), data
