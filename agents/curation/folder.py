"""The output folder of a curation: claimed by one process at a time, and never mixed from two configurations."""

from __future__ import annotations

import fcntl
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from agents.curation.config import CurateConfig
from agents.curation.records import Record, append_line, read_records, write_lines, write_text
from agents.curation.summary import Summary

FREE = {"workers"}
"""Settings that may differ when a curation goes on, because results do not depend on them."""

BEGINNINGS = {".lock", "config.toml.part"}
"""What a curation that was killed at once may leave."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A curation's files."""

    path: Path
    """The folder."""

    @property
    def episodes(self) -> Path:
        """The records."""
        return self.path / "episodes.jsonl"

    @property
    def golden(self) -> Path:
        """The golden runs alone."""
        return self.path / "golden.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Runs that are not over yet."""
        return self.path / "checkpoints.sqlite"

    @property
    def begun(self) -> bool:
        """Whether there is anything to go on with."""
        return self.episodes.exists() or self.checkpoints.exists()

    def add(self, record: Record) -> None:
        """Keep a record: on disk when this returns."""
        append_line(self.episodes, record.to_dict())
        if record.outcome == "golden":
            append_line(self.golden, record.episode.to_dict())

    def finish(self, records: Sequence[Record], summary: Summary) -> None:
        """Write the files anew, in the order of `records`, and forget the runs behind them where nothing is left."""
        write_lines(self.episodes, (record.to_dict() for record in records))
        write_lines(self.golden, (record.episode.to_dict() for record in records if record.outcome == "golden"))
        write_text(self.path / "summary.json", json.dumps(summary.to_dict(), indent=2) + "\n")
        if not summary.errors:
            for end in ("", "-wal", "-shm"):
                self.checkpoints.with_name(self.checkpoints.name + end).unlink(missing_ok=True)


def stored_settings(path: Path) -> dict[str, Any] | None:
    """What a folder's config.toml says; None where there is none. Raises ValueError where it cannot be read."""
    file = path / "config.toml"
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{file}: not TOML: {error}") from error


@contextmanager
def claim(path: Path, config: CurateConfig, digest: str, *, resume: bool) -> Iterator[Folder]:
    """The folder, for this process alone, with the settings written into it.

    digest: of the problems, see `agents.curation.config.digest`.
    Raises ValueError for a folder that holds other settings (naming what changed), that holds a run and `resume` is not
    set, that another process works in, or that holds something else altogether.
    """
    if not (path / "config.toml").exists() and path.exists() and {e.name for e in path.iterdir()} - BEGINNINGS:
        raise ValueError(f"{path}: holds something else than a curation; choose another --out")
    path.mkdir(parents=True, exist_ok=True)
    with (path / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{path}: another process curates into it; wait for it, or choose another --out") from None
        folder = Folder(path)
        settings = {**config.to_dict(), "problems_digest": digest}
        before = stored_settings(path) if folder.begun else None
        if before is not None and (changed := _changed(before, settings)):
            raise ValueError(
                f"{path}: made with other settings ({', '.join(changed)}); "
                "choose another --out, or --resume with the old ones"
            )
        if before is not None and not resume:
            done = len(read_records(folder.episodes))
            raise ValueError(
                f"{path}: holds a run already ({done} of its problems done); --resume it, or choose another --out"
            )
        if before is None:
            write_text(path / "config.toml", tomli_w.dumps(settings))
        yield folder


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The settings that differ, as "name: before -> now". The same problems may have moved to another file."""
    moved = {"problems"} if before.get("problems_digest") == now["problems_digest"] else set()
    names = [name for name in dict.fromkeys((*now, *before)) if name not in FREE | moved]
    differing = [name for name in names if before.get(name) != now.get(name)]
    return [f"{name}: {_shown(before.get(name))} -> {_shown(now.get(name))}" for name in differing]


def _shown(value: Any) -> str:
    return "not set" if value in (None, "", []) else ",".join(value) if isinstance(value, list) else str(value)
