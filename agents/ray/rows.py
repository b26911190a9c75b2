"""The row files that tasks on Ray write: finished jobs on their way into the run folder.

    for file in finished_files(folder):
        for row in read_rows(file):
            ...
        file.unlink()

A row file counts once Ray Data has committed its checkpoint, a file of the same name in another folder. Without it the
file may be incomplete, and its jobs run again.
"""

import json
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from storm_calm.env.jsonl import read_jsonl
from storm_calm.env.serialize import from_json, to_json

FOLDER = "ray"
"""The folder in the run folder with the jobs, row files and checkpoints of an unfinished run on Ray."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RayFolder:
    """The files of a run on Ray, which all nodes share."""

    path: Path

    @classmethod
    def of(cls, run: Path) -> "RayFolder":
        """Return the folder in a run folder."""
        return cls(path=run.absolute() / FOLDER)

    @property
    def jobs(self) -> Path:
        return self.path / "jobs.jsonl"

    @property
    def rows(self) -> Path:
        return self.path / "rows"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def token(self) -> Path:
        """A file with a random token, by which a node sees that it has the same folder."""
        return self.path / "token"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """The result of a job: a record, or why there is none."""

    id: str
    """The id of the job's attempt, see `jobs.Job`."""
    fault: str = ""
    """Why the reasoner, the intervener or the sandbox failed; "" with a record."""
    record: bytes = b""
    """The compressed JSON data of the record; empty with a fault."""
    input_tokens: int = 0
    """Tokens sent to the reasoner since the previous row of the same actor."""
    output_tokens: int = 0
    """Tokens received since then."""
    replies: bytes = b""
    """Compressed lines of the cache of the intervener's replies, new since then."""

    def record_data(self) -> dict[str, Any]:
        """Return the JSON data of the record."""
        data: dict[str, Any] = json.loads(zlib.decompress(self.record))
        return data


def compress_record(data: Mapping[str, Any]) -> bytes:
    """Return the JSON data of a record, compressed."""
    return zlib.compress(json.dumps(data, ensure_ascii=False).encode())


def row_line(row: Row) -> bytes:
    """Return the line of a row in its file."""
    return json.dumps(to_json(row), ensure_ascii=False).encode() + b"\n"


def finished_files(folder: RayFolder) -> list[Path]:
    """Return the committed row files, in the order of their names."""
    if not folder.rows.exists():
        return []
    # The rows' names first: a checkpoint is committed after its row file was written.
    files = sorted(folder.rows.glob("*.jsonl"))
    return [file for file in files if checkpoint_of(folder, file).exists()]


def checkpoint_of(folder: RayFolder, file: Path) -> Path:
    """Return the checkpoint that commits a row file."""
    return folder.checkpoints / f"{file.stem}.parquet"


def read_rows(file: Path) -> Iterator[Row]:
    """Yield the rows of a committed file. Raises ValueError with file and line."""
    for _, row in read_jsonl(file, partial(from_json, Row), what="a row of a run on Ray"):
        yield row


def is_left(run: Path) -> bool:
    """Return whether a run folder has files of a run that was interrupted on Ray."""
    return RayFolder.of(run).path.exists()


def add_left_rows(run: Path, add: Callable[[dict[str, Any]], object], *, resumed: bool) -> None:
    """Move the rows of a run that was interrupted on Ray into its run folder.

    add: stores the JSON data of a record. resumed: whether the run continues on Ray, which needs the checkpoints to
    skip these jobs. One machine needs none of the files.
    """
    for file in finished_files(RayFolder.of(run)):
        for row in read_rows(file):
            if row.record:
                add(row.record_data())
        file.unlink()
    if not resumed:
        remove(run)


def remove(run: Path) -> None:
    """Delete the files of a run on Ray after all rows were moved."""
    shutil.rmtree(RayFolder.of(run).path, ignore_errors=True)
