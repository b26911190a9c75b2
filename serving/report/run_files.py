"""The files of a run folder: a curation, an evaluation or a GRPO training, its settings and its records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from storm_calm.agents.curation.records import CURATION_RECORDS
from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES
from storm_calm.agents.runs import rollout_record, training_steps
from storm_calm.agents.runs.record_kind import RecordKind
from storm_calm.agents.runs.run_folder import stored_settings
from storm_calm.serving.report.index_query import CURATION, IndexColumns, evaluation_columns
from storm_calm.serving.report.report_entries import Entry, curation_entry, evaluation_entry, rollout_entry
from storm_calm.serving.report.training_run import SETTINGS_FILE, training_settings

Kind = Literal["curation", "evaluation", "training"]

FILES: dict[Kind, tuple[RecordKind, str, str]] = {
    "curation": (CURATION_RECORDS, "summary.json", "max_interventions"),
    "evaluation": (EVALUATION_SAMPLES, "results.json", "samples"),
}
"""Per kind: its records, the file of figures that is written at the end, and a setting only this kind has."""

GIVE = "give the --out of storm curate, storm eval or storm train grpo"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFiles:
    """A run folder whose records are not read yet."""

    path: Path
    kind: Kind
    settings: Mapping[str, Any]
    """The settings in config.toml, or those of a training run that matter for reading; empty without any."""

    @property
    def name(self) -> str:
        """The title of the report: the name of the folder."""
        return self.path.resolve().name

    @property
    def record_files(self) -> Sequence[Path]:
        """The files of records, in order; empty until the first record is written."""
        if self.kind == "training":
            return rollout_record.rollout_files(self.path)
        return FILES[self.kind][0].files(self.path)

    @property
    def records(self) -> RecordKind | None:
        """The kind of the records; None for a training run, which has no store."""
        return None if self.kind == "training" else FILES[self.kind][0]

    @property
    def large(self) -> bool:
        """Whether the records are in parts with an index, so that a page reads only some of them."""
        return self.records is not None and self.records.parts_folder(self.path).is_dir()

    @property
    def index_columns(self) -> IndexColumns:
        """What the page shows of the index."""
        return (
            CURATION if self.kind == "curation" else evaluation_columns(*self._scoring, self.settings.get("seeds", 1))
        )

    @property
    def _scoring(self) -> tuple[str | None, int]:
        """The rule of an evaluation, and its samples per problem and seed."""
        return next(iter(self.settings.get("rule", ())), None), self.settings.get("samples", 1)

    @property
    def finished(self) -> bool:
        """Whether the run is finished: its figures are newer than its records."""
        figures, written = training_steps.MERGED, self.record_files
        if self.kind == "training":
            written = training_steps.session_files(self.path)
        else:
            figures = FILES[self.kind][1]
        try:
            end = (self.path / figures).stat().st_mtime_ns
            return bool(written) and all(end >= file.stat().st_mtime_ns for file in written)
        except FileNotFoundError:
            return False

    @property
    def expected(self) -> int | None:
        """The number of records at the end; None if the settings do not determine it."""
        from storm_calm.agents.runs.problem_options import FAMILY_LIMIT

        if self.kind == "training":
            return None
        limit = self.settings.get("limit") or (FAMILY_LIMIT if self.settings.get("families") else None)
        return limit * self.settings.get("samples", 1) * self.settings.get("seeds", 1) if limit else None

    @property
    def entry(self) -> Callable[[Mapping[str, Any]], Entry]:
        if self.kind == "training":
            return rollout_entry
        if self.kind == "curation":
            return curation_entry
        rule, samples = self._scoring
        return partial(evaluation_entry, rule=rule, samples=samples)


def open_run(path: Path) -> RunFiles:
    """Return the run in a folder. Raises ValueError for any other path."""
    if not path.exists():
        raise ValueError(f"{path}: no such folder; {GIVE}")
    if not path.is_dir():
        raise ValueError(f"{path}: not a folder; give a run folder, such as {path.parent}")
    settings = stored_settings(path) or {}
    for kind, (records, _, setting) in FILES.items():
        if records.exists(path) or setting in settings:
            return RunFiles(path=path, kind=kind, settings=settings)
    training = training_settings(path)
    if training is not None:
        return RunFiles(path=path, kind="training", settings=training)
    names = ", ".join(records.plain_file(path).name for records, _, _ in FILES.values())
    raise ValueError(f"{path}: contains none of {names}, nor {SETTINGS_FILE} of a GRPO run; {GIVE}")
