"""The jobs of a run on Ray, in a file that all nodes read, and the blocks in which Ray Data reads it.

Ray Data skips the jobs whose ids its checkpoints have. An id has the number of the attempt, so a job whose row has a
fault gets a new id on resume and runs again.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

MOST_BLOCKS = 1000
"""Above this number of jobs, blocks have several: each block costs Ray Data a few tasks and files."""
MOST_JOBS = 32
"""The most jobs of a block. They run one after another, and are lost together with their node."""
SKIPPED_JOBS = 1000
"""Jobs of a block of those that Ray Data skips."""

Key = Any
"""Identifies a job: the id of a problem, or a tuple that begins with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Consecutive lines of the file of jobs."""

    start: int
    """Offset of the first byte."""
    end: int
    count: int
    """Number of jobs."""


def attempt_id(key: Key, attempt: int) -> str:
    """Return the id of an attempt of a job."""
    return json.dumps([key, attempt], ensure_ascii=False)


def key_of_attempt(id: str) -> tuple[Key, int]:
    """Return the key of the job and the number of the attempt."""
    key, attempt = json.loads(id)
    return tuple(key) if isinstance(key, list) else key, attempt


def next_attempts(committed: Iterable[str]) -> dict[Key, int]:
    """Return the next attempt of each job of which attempts are committed."""
    attempts: dict[Key, int] = {}
    for id in committed:
        key, attempt = key_of_attempt(id)
        attempts[key] = max(attempts.get(key, 0), attempt + 1)
    return attempts


class JobFile:
    """Writes the file of jobs: first the committed ones, which Ray Data must skip, then those to run."""

    def __init__(self, file: BinaryIO, committed: Collection[str], *, count: int) -> None:
        """count: the number of jobs to run, which decides the size of blocks."""
        self.blocks: list[Block] = []
        self._file, self._attempts = file, next_attempts(committed)
        self._size = min(MOST_JOBS, max(1, count // MOST_BLOCKS))
        self._write_blocks(({"id": id} for id in sorted(committed)), SKIPPED_JOBS)

    def add(self, jobs: Iterable[tuple[Key, Mapping[str, Any]]]) -> None:
        """Add the key and the JSON data of each job to run."""
        ids = ({"id": attempt_id(key, self._attempts.get(key, 0)), "job": data} for key, data in jobs)
        self._write_blocks(ids, self._size)

    def _write_blocks(self, lines: Iterable[Mapping[str, Any]], most: int) -> None:
        rest = iter(lines)
        while part := list(islice(rest, most)):
            start = self._file.tell()
            self._file.writelines(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in part)
            self.blocks.append(Block(start=start, end=self._file.tell(), count=len(part)))


def read_block(path: Path, block: Block) -> list[tuple[str, str]]:
    """Return the id and the JSON text of each job of a block."""
    with path.open("rb") as file:
        file.seek(block.start)
        lines = file.read(block.end - block.start).splitlines()
    found = [json.loads(line) for line in lines]
    return [(one["id"], json.dumps(one["job"], ensure_ascii=False) if "job" in one else "") for one in found]
