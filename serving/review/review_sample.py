"""The sample: which interventions are reviewed. Drawn once, by trigger and finder, the same for all reviewers."""

from __future__ import annotations

import fcntl
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from storm_calm.env.atomic_write import write_json
from storm_calm.env.serialize import from_json, to_json
from storm_calm.serving.review.review_items import Item, is_finished, read_items

SIZE = 100
"""Interventions in a sample, unless somebody says otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewSample:
    """Which interventions are reviewed, and how they were drawn."""

    size: int
    """How many were asked for; where there are fewer, all of them are in it."""
    seed: int
    """What it was drawn with."""
    drawn_from: int
    """Interventions of the curation."""
    items: dict[str, str]
    """The ids of the interventions, in their order on the page, with the digests of what there is to see."""

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"sample is {self.size!r}; give at least 1")


def sample_file(run: Path) -> Path:
    """Where a curation's sample is kept."""
    return run / "review" / "sample.json"


def sampled(run: Path, *, size: int | None = None, seed: int | None = None) -> tuple[Item, ...]:
    """The interventions of a curation's sample, in order; the sample is drawn and kept where there is none yet.

    size: by default as kept, or else `SIZE`. seed: by default as kept, or else 0.
    Raises ValueError where the kept sample was drawn otherwise or from another curation, and where none can be drawn:
    no curation, one that is not finished, or one without interventions.
    """
    file = sample_file(run)
    items = read_items(run)
    if not file.exists():
        if not is_finished(run):
            raise ValueError(
                f"{run}: the curation is not finished, so no sample can be drawn of it; "
                f"finish it with storm curate --out {run} --resume"
            )
        if not items:
            raise ValueError(f"{run}: there is nothing to review, as it has no interventions")
        drawn = draw(items, size=SIZE if size is None else size, seed=seed or 0)
        file.parent.mkdir(exist_ok=True)
        with (file.parent / ".lock").open("w") as lock:
            # Two reviewers may begin at once; whoever comes second takes what the first one drew.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                write_json(file, to_json(drawn))
    sample = read_sample(run)
    for name, given, kept in (("--sample", size, sample.size), ("--seed", seed, sample.seed)):
        if given not in (None, kept):
            raise ValueError(
                f"{file}: the sample was drawn with --sample {sample.size} --seed {sample.seed}, "
                f"and it is the same for all reviewers; leave out {name} {given}"
            )
    return matched(sample, items, run)


def read_sample(run: Path) -> ReviewSample:
    """The sample that is kept. Raises ValueError where there is none, or it cannot be read."""
    file = sample_file(run)
    try:
        return from_json(ReviewSample, json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ValueError(f"{run}: has no review; storm review {run} --reviewer NAME begins one") from error
    except ValueError as error:
        raise ValueError(f"{file}: not a sample: {error}; move {file.parent} away to begin another review") from error


def matched(sample: ReviewSample, items: Sequence[Item], run: Path) -> tuple[Item, ...]:
    """The interventions of the sample, in its order.

    Raises ValueError where one of them is not what reviewers are shown, or were.
    """
    known = {item.id: item for item in items}
    for id, digest in sample.items.items():
        if id not in known or known[id].digest != digest:
            raise ValueError(
                f"{sample_file(run)}: intervention {id} is another now, so the run was curated anew; "
                f"move {sample_file(run).parent} away to begin another review"
            )
    return tuple(known[id] for id in sample.items)


def draw(items: Sequence[Item], *, size: int, seed: int) -> ReviewSample:
    """A sample by strata, see `shares`, in an order that mixes them; the same for the same seed."""
    strata: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        strata.setdefault(item.stratum, []).append(item)
    counts = shares({stratum: len(strata[stratum]) for stratum in strata}, size)
    drawn = [
        item
        for stratum in sorted(strata)
        for item in random.Random(f"{seed} {' '.join(stratum)}").sample(strata[stratum], counts[stratum])
    ]
    random.Random(f"{seed}").shuffle(drawn)
    return ReviewSample(size=size, seed=seed, drawn_from=len(items), items={item.id: item.digest for item in drawn})


def shares(sizes: Mapping[tuple[str, str], int], size: int) -> dict[tuple[str, str], int]:
    """How many of each stratum are drawn: in proportion, and one of each at least where `size` allows that."""
    total = sum(sizes.values())
    size = min(size, total)
    given = dict.fromkeys(sorted(sizes), int(size >= len(sizes)))
    while sum(given.values()) < size:
        # The stratum that is furthest below its share; of several that are, the first by name.
        room = [stratum for stratum in given if given[stratum] < sizes[stratum]]
        next_one = max(room, key=lambda stratum: sizes[stratum] * size / total - given[stratum])
        given[next_one] += 1
    return given
