"""The sample of interventions to review: stratified by trigger and finder, drawn once for all reviewers."""

import fcntl
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from storm_calm.env.atomic_write import write_json
from storm_calm.env.serialize import from_json, to_json
from storm_calm.serving.review.review_items import Item, read_items

SIZE = 100
"""Default sample size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewSample:
    """The interventions to review, and how they were drawn."""

    size: int
    """The requested size; the sample is smaller if the curation has fewer interventions."""
    seed: int
    drawn_from: int
    """Interventions of the curation."""
    items: dict[str, str]
    """Ids of the interventions in the order of the page, with their digests."""

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"the sample size is {self.size!r}; give --sample of at least 1")


def sample_file(run: Path) -> Path:
    return run / "review" / "sample.json"


def sampled(run: Path, *, size: int | None = None, seed: int | None = None) -> tuple[Item, ...]:
    """Return the interventions of the sample in order. Draw and store the sample if it does not exist yet.

    size, seed: by default those of the stored sample, or else `SIZE` and 0.
    Raises ValueError if the stored sample has another size, seed or curation, and if no sample can be drawn.
    """
    file = sample_file(run)
    items = read_items(run)
    if not file.exists():
        if not (run / "summary.json").exists():
            raise ValueError(f"{run}: the curation is not finished; finish it with storm curate --out {run} --resume")
        if not items:
            raise ValueError(f"{run}: nothing to review, the curation has no interventions")
        drawn = draw(items, size=SIZE if size is None else size, seed=seed or 0)
        file.parent.mkdir(exist_ok=True)
        with (file.parent / ".lock").open("w") as lock:
            # If two reviewers start at the same time, the second uses the sample of the first.
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
    """Read the stored sample. Raises ValueError if it is missing or invalid."""
    file = sample_file(run)
    try:
        return from_json(ReviewSample, json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ValueError(f"{run}: has no review; start one with storm review {run} --reviewer NAME") from error
    except ValueError as error:
        raise ValueError(f"{file}: not a sample: {error}; move {file.parent} away to start a new review") from error


def matched(sample: ReviewSample, items: Sequence[Item], run: Path) -> tuple[Item, ...]:
    """Return the interventions of the sample in order. Raises ValueError if the run was curated again since."""
    known = {item.id: item for item in items}
    for id, digest in sample.items.items():
        if id not in known or known[id].digest != digest:
            raise ValueError(
                f"{sample_file(run)}: intervention {id} has changed, so the run was curated again; "
                f"move {sample_file(run).parent} away to start a new review"
            )
    return tuple(known[id] for id in sample.items)


def draw(items: Sequence[Item], *, size: int, seed: int) -> ReviewSample:
    """Draw a stratified sample (see `shares`) in random order, reproducible by its seed."""
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
    """Return how many to draw per stratum: in proportion, and at least one of each if `size` allows it."""
    total = sum(sizes.values())
    size = min(size, total)
    given = dict.fromkeys(sorted(sizes), int(size >= len(sizes)))
    while sum(given.values()) < size:
        # The stratum furthest below its share; for a tie the first by name.
        room = [stratum for stratum in given if given[stratum] < sizes[stratum]]
        next_one = max(room, key=lambda stratum: sizes[stratum] * size / total - given[stratum])
        given[next_one] += 1
    return given
