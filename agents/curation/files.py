"""The run folder of a curation and its files."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from storm_calm.agents.curation.records import (
    CURATION_RECORDS,
    GOLDEN_EPISODES,
    Record,
    record_from_json,
    record_to_json,
)
from storm_calm.agents.curation.summary import Summary
from storm_calm.agents.ray.rows import is_left
from storm_calm.agents.runs.price_options import COST_SETTINGS
from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.agents.runs.resume import KeptResult
from storm_calm.agents.runs.run_folder import RunKind, stored_settings
from storm_calm.env.atomic_write import write_json
from storm_calm.env.records import episode_to_json
from storm_calm.env.serialize import to_json

__all__ = ["KIND", "Folder", "stored_settings"]

KIND = RunKind(noun="a curation", verb="curates", may_change=frozenset({"workers"}) | COST_SETTINGS)


class Folder:
    """The files of a curation."""

    def __init__(self, path: Path, *, expected: int = 0) -> None:
        """expected: the number of problems, which decides the form of the records of a new run."""
        self.path, self._expected = path, expected
        self.checkpoints = path / "checkpoints.sqlite"
        self.intervener_replies = path / "intervener_replies.jsonl"

    @cached_property
    def episodes(self) -> RecordStore:
        """The records, opened to write."""
        return RecordStore.open(self.path, CURATION_RECORDS, write=True, expected=self._expected)

    @cached_property
    def golden(self) -> RecordStore:
        """The golden trajectories, opened to write."""
        return RecordStore.open(self.path, GOLDEN_EPISODES, write=True, expected=self._expected)

    def close(self) -> None:
        """Close the records, if they are open."""
        for name in ("episodes", "golden"):
            if (store := self.__dict__.pop(name, None)) is not None:
                store.close()

    def done(self) -> int | None:
        """Return the number of finished problems, or None if there is nothing to resume."""
        stored = CURATION_RECORDS.exists(self.path)
        begun = stored or self.checkpoints.exists() or is_left(self.path)
        return (len(self.episodes) if stored else 0) if begun else None

    def kept(self) -> Iterator[KeptResult]:
        """Yield what counts of the records of earlier sessions."""
        for id, failed, at, outcome, corrected in self.episodes.rows(
            ("key", "failed", "at_seconds", "outcome", "corrected")
        ):
            counts = labels(outcome, bool(corrected))
            yield KeptResult(key=id, failed=bool(failed), at_seconds=at, counts=counts)

    def records(self) -> Iterator[Record]:
        """Yield the records in the order of the run."""
        return map(record_from_json, self.episodes.records())

    def add(self, record: Record) -> None:
        """Store a record. It is on disk when this returns."""
        # The golden trajectory first: after a crash in between, the problem runs again.
        if record.outcome == "golden":
            self.golden.append(episode_to_json(record.episode))
        self.episodes.append(record_to_json(record))

    def set_order(self, ids: Iterable[str]) -> None:
        """Set the order of the records to that of the problems."""
        self.episodes.set_order(ids)

    def finish(self, summary: Summary) -> None:
        """Write the files in the order of the records. Delete the checkpoints unless there were errors."""
        self.episodes.finish()
        for data in self.episodes.records(where="outcome = 'golden'"):
            if data["id"] not in self.golden:  # An earlier version stored the record first.
                self.golden.append(episode_to_json(record_from_json(data).episode))
        self.golden.set_order(id for (id,) in self.episodes.rows(("key",), where="outcome = 'golden'"))
        self.golden.finish()
        write_json(self.path / "summary.json", to_json(summary))
        if not summary.errors:
            for suffix in ("", "-wal", "-shm"):
                self.checkpoints.with_name(self.checkpoints.name + suffix).unlink(missing_ok=True)


def labels(outcome: str, corrected: bool) -> dict[str, int]:
    """Return what a record adds to the counts of the progress."""
    golden = outcome == "golden"
    return {"golden": golden, "corrected": corrected, "discarded": not golden}
