"""The record of a stage: its settings and its time, stored in its seed's folder.

    stages/sft.json      {"settings": {...}, "seconds": 61.207, "sessions": 1, "finished": true}
    stages/sft.log       standard output of its command; sft.err has standard error

The settings of a stage include those of all stages that it needs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from storm_calm.env.atomic_write import write_json
from storm_calm.env.serialize import from_json, to_json

FOLDER = "stages"


@dataclass(frozen=True, kw_only=True, slots=True)
class StageRecord:
    """The state of a stage that was started."""

    settings: Mapping[str, int | str]
    """The settings that its result depends on, with the seed."""
    seconds: float = 0.0
    """Wall seconds over all sessions."""
    sessions: int = 0
    """How many times it was started or resumed."""
    finished: bool = False


def record_file(folder: Path, stage: str) -> Path:
    """Return the file of a stage's record. folder: that of the seed."""
    return folder / FOLDER / f"{stage}.json"


def log_file(folder: Path, stage: str) -> Path:
    """Return the log of a stage's command. folder: that of the seed."""
    return folder / FOLDER / f"{stage}.log"


def read_record(folder: Path, stage: str) -> StageRecord | None:
    """Read the record of a stage; None if it was never started. Raises ValueError for an invalid file."""
    file = record_file(folder, stage)
    if not file.is_file():
        return None
    try:
        return from_json(StageRecord, json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{file}: not the record of a stage ({error}); delete it to run the stage again") from error


def write_record(folder: Path, stage: str, record: StageRecord) -> None:
    file = record_file(folder, stage)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, to_json(record))


def check_record(folder: Path, stage: str, settings: Mapping[str, int | str]) -> None:
    """Raise ValueError if the stage was started with other settings, naming them."""
    record = read_record(folder, stage)
    if record is None:
        return
    changed = [
        f"{name}: {record.settings.get(name)} -> {settings.get(name)}"
        for name in dict.fromkeys((*settings, *record.settings))
        if settings.get(name) != record.settings.get(name)
    ]
    if changed:
        state = "is finished" if record.finished else "was started"
        raise ValueError(
            f"{folder}: stage {stage} {state} with other settings ({', '.join(changed)}); "
            "use the old ones, or choose another --out"
        )
