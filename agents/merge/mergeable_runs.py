"""The kinds of runs whose shards can be merged, and the records that the folder of each kind has."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from storm_calm.agents.curation.files import KIND as CURATION_KIND
from storm_calm.agents.evaluation.run_evaluation import KIND as EVALUATION_KIND
from storm_calm.agents.evaluation.run_evaluation import RESULTS, SAMPLES
from storm_calm.agents.runs.run_folder import RunKind

Key = tuple[str, int, int]
"""Identifies a record in a run: the id of the problem, and the numbers of the repetition and the sample."""


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
    records: str
    """The file of records."""
    end: str
    """The file that a session writes last; it counts the `errors`."""

    def keys(self, id: str, settings: Mapping[str, Any]) -> list[Key]:
        """Return the keys of a problem's records, in the order of a finished run."""
        numbers = product(range(settings.get("seeds", 1)), range(settings.get("samples", 1)))
        return [(id, repetition, sample) for repetition, sample in numbers]


CURATION = MergeableRun(
    kind=CURATION_KIND,
    command="storm curate",
    unit="problems",
    setting="intervener",
    records="episodes.jsonl",
    end="summary.json",
)
EVALUATION = MergeableRun(
    kind=EVALUATION_KIND,
    command="storm eval",
    unit="trajectories",
    setting="rule",
    records=SAMPLES,
    end=RESULTS,
)


def key_of(data: Mapping[str, Any]) -> Key:
    """Return the key of a record from its JSON data."""
    return data["id"], data.get("repetition", 0), data.get("sample", 0)


def run_of(settings: Mapping[str, Any]) -> MergeableRun | None:
    """Return the kind of run with these settings, or None for a kind that cannot be merged."""
    return next((run for run in (CURATION, EVALUATION) if run.setting in settings), None)
