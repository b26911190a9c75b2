"""The shard of a run: the part of its problems that one of several machines works on, such as "2/8".

    shard = Shard.parse("2/8")
    mine = [problem for problem in problems if shard.holds(problem.id)]

A problem's id alone decides its shard, so the assignment depends neither on the order of the problems nor on the
others. `shard.jsonl` in the folder of a shard has the positions of its problems among all of them, so that
`storm merge` needs only the folders of the shards.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from storm_calm.env import Problem
from storm_calm.env.format_version import with_version, without_version
from storm_calm.env.jsonl import read_jsonl, write_lines
from storm_calm.env.serialize import from_json, to_json

FILE = "shard.jsonl"
"""The file of the shard's problems in its run folder."""
EXAMPLE = "example: 2/8 for the second of eight shards"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """One of `count` parts of the problems."""

    number: int
    """From 1 to `count`."""
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the shard in a text such as "2/8". Raises ValueError that names the fix."""
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
        if match is None:
            raise ValueError(f'"{text}" is not a shard; {EXAMPLE}')
        shard = cls(number=int(match[1]), count=int(match[2]))
        if not shard.count:
            raise ValueError(f"{text}: a run has at least one shard; {EXAMPLE}")
        if not 1 <= shard.number <= shard.count:
            raise ValueError(f"{text}: shards are numbered from 1 to {shard.count}")
        return shard

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def holds(self, id: str) -> bool:
        """Return whether the problem with this id belongs to the shard."""
        # Python's own hash differs between processes.
        digest = hashlib.sha256(id.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardProblem:
    """The position of a shard's problem among the problems of all shards."""

    position: int
    """Its position, from 0."""
    id: str
    """Id of the problem."""


def write_shard_problems(folder: Path, shard: Shard, problems: Iterable[Problem]) -> None:
    """Write the positions of the shard's problems into its folder. problems: those of all shards, in order."""
    write_lines(
        folder / FILE,
        (
            with_version(to_json(ShardProblem(position=position, id=problem.id)))
            for position, problem in enumerate(problems)
            if shard.holds(problem.id)
        ),
    )


def read_shard_problems(folder: Path) -> Iterator[ShardProblem]:
    """Yield the positions of a shard's problems, in order. Raises ValueError with file and line."""
    for _, found in read_jsonl(folder / FILE, _parse, what="a problem of a shard"):
        yield found


def _parse(data: dict[str, Any]) -> ShardProblem:
    return from_json(ShardProblem, without_version(data))
