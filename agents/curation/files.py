"""The run folder of a curation and its files."""

from collections.abc import Sequence
from pathlib import Path

from storm_calm.agents.curation.records import Record, read_records, record_to_json
from storm_calm.agents.curation.summary import Summary
from storm_calm.agents.runs.run_folder import RunKind, stored_settings
from storm_calm.env.atomic_write import write_json
from storm_calm.env.jsonl import append_line, write_lines
from storm_calm.env.records import append_episode, episode_to_json
from storm_calm.env.serialize import to_json

__all__ = ["KIND", "Folder", "stored_settings"]

KIND = RunKind(noun="a curation", verb="curates", may_change=frozenset({"workers", "price"}))


class Folder:
    """The files of a curation."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.episodes = path / "episodes.jsonl"
        self.golden = path / "golden.jsonl"
        self.checkpoints = path / "checkpoints.sqlite"
        self.intervener_replies = path / "intervener_replies.jsonl"

    def done(self) -> int | None:
        """Return the number of finished problems, or None if there is nothing to resume."""
        begun = self.episodes.exists() or self.checkpoints.exists()
        return len(read_records(self.episodes)) if begun else None

    def add(self, record: Record) -> None:
        """Append a record. It is on disk when this returns."""
        append_line(self.episodes, record_to_json(record))
        if record.outcome == "golden":
            append_episode(self.golden, record.episode)

    def finish(self, records: Sequence[Record], summary: Summary) -> None:
        """Rewrite the files in the order of `records`. Delete the checkpoints unless there were errors."""
        write_lines(self.episodes, (record_to_json(record) for record in records))
        write_lines(self.golden, (episode_to_json(record.episode) for record in records if record.outcome == "golden"))
        write_json(self.path / "summary.json", to_json(summary))
        if not summary.errors:
            for suffix in ("", "-wal", "-shm"):
                self.checkpoints.with_name(self.checkpoints.name + suffix).unlink(missing_ok=True)
