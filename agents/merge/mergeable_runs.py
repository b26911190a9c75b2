"""The kinds of runs whose shards can be merged, and the records that the folder of each kind has."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from storm_calm.agents.curation.files import KIND as CURATION_KIND
from storm_calm.agents.curation.records import CURATION_RECORDS
from storm_calm.agents.evaluation.run_evaluation import KIND as EVALUATION_KIND
from storm_calm.agents.evaluation.run_evaluation import RESULTS
from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES, sample_key
from storm_calm.agents.runs.record_kind import RecordKind
from storm_calm.agents.runs.run_folder import RunKind


@dataclass(frozen=True, kw_only=True, slots=True)
class MergeableRun:
    """A kind of run with records of problems."""

    kind: RunKind
    command: str
    """As in "storm curate"."""
    unit: str
    """What a record is of, in the plural."""
    setting: str
    """A setting that only this kind has."""
    records: RecordKind
    end: str
    """The file that a session writes last; it counts the `errors`."""

    def keys(self, id: str, settings: Mapping[str, Any]) -> list[str]:
        """Return the keys of a problem's records, in the order of a finished run."""
        if self.records is CURATION_RECORDS:
            return [id]
        numbers = product(range(settings.get("seeds", 1)), range(settings.get("samples", 1)))
        return [sample_key(id, repetition, sample) for repetition, sample in numbers]


CURATION = MergeableRun(
    kind=CURATION_KIND,
    command="storm curate",
    unit="problems",
    setting="intervener",
    records=CURATION_RECORDS,
    end="summary.json",
)
EVALUATION = MergeableRun(
    kind=EVALUATION_KIND,
    command="storm eval",
    unit="trajectories",
    setting="rule",
    records=EVALUATION_SAMPLES,
    end=RESULTS,
)


def run_of(settings: Mapping[str, Any]) -> MergeableRun | None:
    """Return the kind of run with these settings, or None for a kind that cannot be merged."""
    return next((run for run in (CURATION, EVALUATION) if run.setting in settings), None)
