"""The interventions of a curation, each with the trajectory as the intervener saw it."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from storm_calm.agents.curation.records import CURATION_RECORDS
from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.agents.runs.run_folder import stored_settings
from storm_calm.env import Episode, Intervention, Problem
from storm_calm.env.serialize import from_json
from storm_calm.env.transcript import Source

WANTED = "give a run folder of storm curate"


@dataclass(frozen=True, kw_only=True, slots=True)
class TextPart:
    """A part of an earlier state of a trajectory."""

    source: Source | Literal["cut"]
    """"cut": text that a later intervention removed; its source is not recorded."""
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """An intervention and its context for a reviewer."""

    problem: Problem
    index: int
    """Number of the intervention in its trajectory, from 0."""
    before: tuple[TextPart, ...]
    """The trajectory up to the cut, without the prompt."""
    intervention: Intervention

    @property
    def id(self) -> str:
        return f"{self.problem.id}#{self.index}"

    @property
    def stratum(self) -> tuple[str, str]:
        """Trigger and finder, by which a sample is stratified."""
        return self.intervention.finding.trigger, self.intervention.finding.finder

    @property
    def digest(self) -> str:
        """A fingerprint of the data shown to reviewers. It changes if the run is curated again."""
        finding = self.intervention.finding
        seen = [
            *(self.problem.question, list(self.problem.answers), [part.text for part in self.before]),
            *(finding.trigger, finding.finder, finding.evidence, finding.why),
            *(self.intervention.removed, self.intervention.hint),
        ]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16]


def read_items(run: Path) -> tuple[Item, ...]:
    """Return all interventions of a curation, in order.

    Raises ValueError if `run` is not the run folder of a curation and, naming file and line, for an invalid record.
    """
    if not run.is_dir():
        raise ValueError(f"{run}: {'not a folder' if run.exists() else 'no such folder'}; {WANTED}")
    configured = stored_settings(run) is not None
    if not configured or not CURATION_RECORDS.exists(run):
        missing = CURATION_RECORDS.plain_file(run).name if configured else "config.toml"
        raise ValueError(f"{run}: contains no curation, {missing} is missing; {WANTED}")
    with RecordStore.open(run, CURATION_RECORDS) as store:
        records = store.records(where="interventions > 0")
        return tuple(item for data in records for item in items_of(from_json(Episode, data["episode"])))


def items_of(episode: Episode) -> tuple[Item, ...]:
    """Return the interventions of a trajectory, in order."""
    parts = [TextPart(source=span.source, text=span.text) for span in episode.transcript.spans]
    items: list[Item] = []
    # Backwards: the text before an intervention is the text up to its cut, then the text that it removed.
    for index, one in reversed(list(enumerate(episode.interventions))):
        kept = _up_to(parts, one.cut)
        before = tuple(part for part in kept if part.source != "prompt")
        items.append(Item(problem=episode.problem, index=index, before=before, intervention=one))
        parts = [*kept, TextPart(source="cut", text=one.removed)]
    return tuple(reversed(items))


def _up_to(parts: Iterable[TextPart], end: int) -> list[TextPart]:
    """Return the first `end` characters."""
    kept: list[TextPart] = []
    for part in parts:
        if part.text[:end]:
            kept.append(TextPart(source=part.source, text=part.text[:end]))
        end -= min(end, len(part.text))
    return kept
