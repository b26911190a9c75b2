"""What is reviewed: each intervention of a curation, with the run as it stood when the intervener looked at it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from storm_calm.agents.curation.files import Folder, stored_settings
from storm_calm.env import Episode, Intervention, Problem
from storm_calm.env.jsonl import read_latest
from storm_calm.env.serialize import from_json
from storm_calm.env.transcript import Source

WANTED = "give the folder that storm curate wrote"


@dataclass(frozen=True, kw_only=True, slots=True)
class TextPart:
    """A stretch of a run as it once stood."""

    source: Source | Literal["cut"]
    """Who wrote it; "cut" for what a later intervention cut away, of which that is not kept."""
    text: str
    """What it says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """An intervention, and what a reviewer has to see to review it."""

    problem: Problem
    """What the run is about."""
    index: int
    """Which of the run's interventions it is, from 0."""
    before: tuple[TextPart, ...]
    """The run up to the cut, prompt left out."""
    intervention: Intervention
    """The finding, the hint, and what was cut away."""

    @property
    def id(self) -> str:
        """Its name within the curation."""
        return f"{self.problem.id}#{self.index}"

    @property
    def stratum(self) -> tuple[str, str]:
        """The trigger that fired and who found it: what a sample is drawn by."""
        return self.intervention.finding.trigger, self.intervention.finding.finder

    @property
    def digest(self) -> str:
        """A fingerprint of what a reviewer sees, by which a review notices that the run was curated anew."""
        finding = self.intervention.finding
        seen = [
            *(self.problem.question, list(self.problem.answers), [part.text for part in self.before]),
            *(finding.trigger, finding.finder, finding.evidence, finding.why),
            *(self.intervention.removed, self.intervention.hint),
        ]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16]


def read_items(run: Path) -> tuple[Item, ...]:
    """Every intervention of a curation, in its order; none where there was no intervention.

    Raises ValueError for something else than a curation's folder, and, naming file and line, for a line of it that is
    not a record.
    """
    if not run.is_dir():
        raise ValueError(f"{run}: {'not a folder' if run.exists() else 'no such folder'}; {WANTED}")
    folder = Folder(run)
    missing = "config.toml" if stored_settings(run) is None else folder.episodes.name
    if not (run / missing).exists():
        raise ValueError(f"{run}: no curation is in it, {missing} is missing; {WANTED}")
    records = read_latest(folder.episodes, _record, key=lambda record: record[0], what="a record of a curation")
    return tuple(item for _, items in records for item in items)


def is_finished(run: Path) -> bool:
    """Whether a curation has come to its end."""
    return (run / "summary.json").exists()


def items_of(episode: Episode) -> tuple[Item, ...]:
    """The interventions of a run, in order."""
    parts = [TextPart(source=span.source, text=span.text) for span in episode.transcript.spans]
    items: list[Item] = []
    # From the last one back: what stood there before it is what is left of its cut, and what it removed.
    for index, one in reversed(list(enumerate(episode.interventions))):
        kept = _up_to(parts, one.cut)
        before = tuple(part for part in kept if part.source != "prompt")
        items.append(Item(problem=episode.problem, index=index, before=before, intervention=one))
        parts = [*kept, TextPart(source="cut", text=one.removed)]
    return tuple(reversed(items))


def _record(record: Mapping[str, Any]) -> tuple[str, tuple[Item, ...]]:
    """A record's problem and its interventions. The rest is not read: a large curation would not fit into memory."""
    episode = record["episode"]
    items = items_of(from_json(Episode, episode)) if episode["interventions"] else ()
    return str(record["id"]), items


def _up_to(parts: Iterable[TextPart], end: int) -> list[TextPart]:
    """The first `end` characters."""
    kept: list[TextPart] = []
    for part in parts:
        if part.text[:end]:
            kept.append(TextPart(source=part.source, text=part.text[:end]))
        end -= min(end, len(part.text))
    return kept
