"""The record of a stage beside its results, in `stages/NAME.json` of its seed's folder: its settings, its seconds.

    stages/sft.json      {"settings": {...}, "seconds": 61.207, "sessions": 1, "finished": true}
    stages/sft.log       the output of its command; sft.err has its standard error

A finished stage is not run again, and never mixed with other settings: those that count for it are its own and those of
all stages that it builds on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from storm_calm.env.atomic_write import write_json
from storm_calm.env.serialize import from_json, to_json

FOLDER = "stages"


@dataclass(frozen=True, kw_only=True, slots=True)
class StageRecord:
    """How a stage stands."""

    settings: Mapping[str, int]
    """The settings that count for it, by name, with the seed."""
    seconds: float = 0.0
    """Wall seconds that it took, over all sessions."""
    sessions: int = 0
    """How often it was started or gone on with."""
    finished: bool = False
    """Whether its result is there."""


def record_file(folder: Path, stage: str) -> Path:
    """folder: of the seed."""
    return folder / FOLDER / f"{stage}.json"


def log_file(folder: Path, stage: str) -> Path:
    """What a stage's command said. folder: of the seed."""
    return folder / FOLDER / f"{stage}.log"


def read_record(folder: Path, stage: str) -> StageRecord | None:
    """The record of a stage; None for one that was never started. Raises ValueError for a file that is none."""
    file = record_file(folder, stage)
    if not file.is_file():
        return None
    try:
        return from_json(StageRecord, json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{file}: not the record of a stage ({error}); delete it to run the stage anew") from error


def write_record(folder: Path, stage: str, record: StageRecord) -> None:
    """Write the record of a stage."""
    file = record_file(folder, stage)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, to_json(record))


def check_record(folder: Path, stage: str, settings: Mapping[str, int]) -> StageRecord | None:
    """The record of a stage, if it was started with these settings; None if it was not begun.

    Raises ValueError, naming what changed, for one that was started with others.
    """
    record = read_record(folder, stage)
    if record is None:
        return None
    names = dict.fromkeys((*settings, *record.settings))
    changed = [
        f"{name}: {record.settings.get(name)} -> {settings.get(name)}"
        for name in names
        if settings.get(name) != record.settings.get(name)
    ]
    if changed:
        state = "is finished" if record.finished else "was started"
        raise ValueError(
            f"{folder}: stage {stage} {state} with other settings ({', '.join(changed)}); "
            "give the old ones, or choose another --out"
        )
    return record
