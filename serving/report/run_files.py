"""A run's folder: a curation or an evaluation, its settings, and the file that holds its records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from storm_calm.agents.runs.run_folder import stored_settings
from storm_calm.serving.report.report_entries import Entry, curation_entry, evaluation_entry

Kind = Literal["curation", "evaluation"]
"""What made the folder: `storm curate` or `storm eval`."""

FILES: dict[Kind, tuple[str, str, str]] = {
    "curation": ("episodes.jsonl", "summary.json", "max_interventions"),
    "evaluation": ("samples.jsonl", "results.json", "samples"),
}
"""For each kind: its records, the figures that are written when it is over, and a setting that no other kind has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFiles:
    """What is known of a folder before its records are read."""

    path: Path
    """The folder."""
    kind: Kind
    """What it holds."""
    settings: Mapping[str, Any]
    """Its config.toml; empty where there is none."""

    @property
    def name(self) -> str:
        """What the report is headed: the folder's name, without where it is."""
        return self.path.resolve().name

    @property
    def records(self) -> Path:
        """The file with a line for each run at a problem. It may be missing where nothing is done yet."""
        return self.path / FILES[self.kind][0]

    @property
    def finished(self) -> bool:
        """Whether it is over: then its figures were written after its last record."""
        try:
            return (self.path / FILES[self.kind][1]).stat().st_mtime_ns >= self.records.stat().st_mtime_ns
        except FileNotFoundError:
            return False

    @property
    def expected(self) -> int | None:
        """Records that there will be in the end; None where the settings do not say."""
        from storm_calm.agents.runs.problem_options import FAMILY_LIMIT

        limit = self.settings.get("limit") or (FAMILY_LIMIT if self.settings.get("families") else None)
        return limit * self.settings.get("samples", 1) if limit else None

    @property
    def entry(self) -> Callable[[Mapping[str, Any]], Entry]:
        """Makes an entry of the data of a record."""
        if self.kind == "curation":
            return curation_entry
        return partial(evaluation_entry, rule=next(iter(self.settings.get("rule", ())), None))


def open_run(path: Path) -> RunFiles:
    """The run in a folder. Raises ValueError for what is none, naming it and what to give."""
    if not path.exists():
        raise ValueError(f"{path}: no such folder; give the folder of a run, the --out of storm curate or storm eval")
    if not path.is_dir():
        raise ValueError(f"{path}: not a folder; give the folder of a run, such as {path.parent}")
    settings = stored_settings(path) or {}
    for kind, (records, _, setting) in FILES.items():
        if (path / records).exists() or setting in settings:
            return RunFiles(path=path, kind=kind, settings=settings)
    names = " nor ".join(records for records, _, _ in FILES.values())
    raise ValueError(f"{path}: neither {names} in it; give the --out of storm curate or storm eval")
