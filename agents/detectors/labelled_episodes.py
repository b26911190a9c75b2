"""Labelled episodes: recorded trajectories of real models, with the trigger and place of their first flaw.

    for one in read_labelled_episodes("tests/data/trajectories"):
        print(one.id, one.trigger, one.why)

A folder has two files of JSON lines, matched by their `id`. `episodes.jsonl` has the trajectories with their
executions and solver reports, as they were recorded: no program runs again. `labels.jsonl` has the labels:

    {"id": "qwen-0.5b-toy-shop-native", "trigger": "manual_computation", "quote": "x = 30", "why": "..."}

`trigger` is one of the seven or null. `quote` marks the beginning of the flaw: its first occurrence in the model's text
counts. An episode without a flaw has no quote.
"""

from dataclasses import dataclass
from pathlib import Path

from storm_calm.agents.detectors.labelled_traces import LabelledTrace, place_of
from storm_calm.env.episode import Episode
from storm_calm.env.intervention import Trigger
from storm_calm.env.jsonl import read_jsonl
from storm_calm.env.serialize import from_json
from storm_calm.env.transcript import Transcript

EPISODES, LABELS = "episodes.jsonl", "labels.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedEpisode:
    """A line of `episodes.jsonl`."""

    id: str
    model: str
    """The model that wrote the trajectory."""
    prompt: str
    """"think" if the prompt ended in an opened `<think>`, "plain" if it ended in the assistant's header."""
    hints: str
    """The intervener whose hints are in the trajectory; "none" without one."""
    episode: Episode


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """A line of `labels.jsonl`."""

    id: str
    trigger: Trigger | None
    """The kind of the first flaw; None without a flaw."""
    quote: str = ""
    """Text of the model at which the flaw begins."""
    why: str = ""
    """The flaw in words."""

    def __post_init__(self) -> None:
        if (self.trigger is None) != (not self.quote):
            raise ValueError('"trigger" and "quote" belong together; give both, or null and no quote')


def is_labelled_folder(path: str | Path) -> bool:
    """Return whether a path is a folder of labelled episodes."""
    return (Path(path) / LABELS).is_file()


def read_labelled_episodes(folder: str | Path) -> tuple[LabelledTrace, ...]:
    """Read the labelled episodes of a folder, in the order of its labels.

    Raises ValueError with file and line for an invalid line, an unknown id or a quote that the model did not write.
    """
    folder = Path(folder)
    episodes: dict[str, Episode] = {}
    for number, line in read_jsonl(folder / EPISODES, lambda data: from_json(RecordedEpisode, data)):
        if line.id in episodes:
            raise ValueError(f'{folder / EPISODES}:{number}: "id" {line.id!r} is already used; give unique ids')
        episodes[line.id] = line.episode
    traces: list[LabelledTrace] = []
    for number, label in read_jsonl(folder / LABELS, lambda data: from_json(Label, data)):
        if label.id not in episodes:
            raise ValueError(f"{folder / LABELS}:{number}: no episode {label.id!r} in {EPISODES}, or a second label")
        episode = episodes.pop(label.id)
        place = None if label.trigger is None else _place(episode.transcript, label.quote)
        if label.trigger is not None and place is None:
            raise ValueError(f"{folder / LABELS}:{number}: the quote {label.quote!r} is not in the model's text")
        traces.append(LabelledTrace(id=label.id, episode=episode, trigger=label.trigger, place=place, why=label.why))
    return tuple(traces)


def _place(transcript: Transcript, quote: str) -> tuple[int, int] | None:
    """Return the place of the first occurrence of `quote` in the model's text, or None."""
    for start, span in zip(transcript.starts, transcript.spans, strict=True):
        if span.source == "model" and (at := span.text.find(quote)) >= 0:
            first, last = place_of(span.text, at, len(quote))
            return start + first, start + last
    return None
