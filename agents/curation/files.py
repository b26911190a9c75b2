"""The output folder of a curation and its files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.records import Record, read_records, record_to_json
from storm_calm.agents.curation.summary import Summary
from storm_calm.agents.runs.options import to_toml
from storm_calm.agents.runs.run_folder import RunKind, claim_run_folder, stored_settings
from storm_calm.env.atomic_write import write_json
from storm_calm.env.jsonl import append_line, write_lines
from storm_calm.env.records import append_episode, episode_to_json
from storm_calm.env.serialize import to_json

__all__ = ["Folder", "claim", "stored_settings"]

KIND = RunKind(noun="a curation", verb="curates", may_change=frozenset({"workers"}))


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
    def intervener_replies(self) -> Path:
        """What the intervener's endpoint said."""
        return self.path / "intervener_replies.jsonl"

    @property
    def begun(self) -> bool:
        """Whether there is anything to go on with."""
        return self.episodes.exists() or self.checkpoints.exists()

    def add(self, record: Record) -> None:
        """Keep a record: on disk when this returns."""
        append_line(self.episodes, record_to_json(record))
        if record.outcome == "golden":
            append_episode(self.golden, record.episode)

    def finish(self, records: Sequence[Record], summary: Summary) -> None:
        """Write the files anew, in the order of `records`, and forget the runs behind them where nothing is left."""
        write_lines(self.episodes, (record_to_json(record) for record in records))
        write_lines(self.golden, (episode_to_json(record.episode) for record in records if record.outcome == "golden"))
        write_json(self.path / "summary.json", to_json(summary))
        if not summary.errors:
            for end in ("", "-wal", "-shm"):
                self.checkpoints.with_name(self.checkpoints.name + end).unlink(missing_ok=True)


@contextmanager
def claim(path: Path, config: CurateConfig, digest: str, *, resume: bool) -> Iterator[Folder]:
    """The folder, for this process alone, with the settings written into it.

    digest: of the problems, see `agents.runs.problem_options.digest`.
    Raises ValueError as `agents.runs.run_folder.claim_run_folder` does.
    """
    folder = Folder(path)
    settings = {**to_toml(config), "problems_digest": digest}
    with claim_run_folder(
        path,
        KIND,
        settings,
        done=lambda: len(read_records(folder.episodes)) if folder.begun else None,
        resume=resume,
    ):
        yield folder
