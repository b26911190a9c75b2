"""One reviewer's file: held by one process at a time, a line on disk for every change."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storm_calm.env.jsonl import append_line, read_jsonl
from storm_calm.env.serialize import from_json, to_json
from storm_calm.serving.review.ratings import Rating
from storm_calm.serving.review.review_items import Item
from storm_calm.serving.review.review_sample import ReviewSample, sample_file

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What a reviewer may be called: it becomes the name of a file."""


def reviewer_file(run: Path, name: str) -> Path:
    """Where a reviewer's ratings are kept. Raises ValueError for what is no name."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"reviewer is {name!r}; give a name of letters, digits, - and _ that begins with a letter or digit"
        )
    return sample_file(run).parent / f"{name}.jsonl"


def read_ratings(file: Path, digests: Mapping[str, str]) -> tuple[Rating, ...]:
    """Every line of a reviewer's file, in order; none for a missing file.

    digests: of the sample's interventions, by id. Raises ValueError, naming file and line, for a line that is no
    rating, or one of another sample.
    """

    def rating(data: Mapping[str, Any]) -> Rating:
        one = from_json(Rating, data)
        if digests.get(one.item) != one.digest:
            raise ValueError(f"intervention {one.item} of that rating is not in the sample")
        return one

    return tuple(one for _, one in read_jsonl(file, rating, growing=True, what="a rating of this review"))


class Reviewer:
    """One reviewer's ratings so far, and their file."""

    def __init__(self, name: str, file: Path, items: tuple[Item, ...]) -> None:
        """items: the sample, in order. Raises ValueError as `read_ratings` does."""
        self.name = name
        self.items = items
        self._file = file
        self._digests = {item.id: item.digest for item in items}
        self.latest = {one.item: one for one in read_ratings(file, self._digests)}
        """The last rating of each intervention, complete or not."""

    @property
    def reviewed(self) -> int:
        """Interventions that are reviewed, as things stand."""
        return sum(one.complete for one in self.latest.values())

    def save(self, number: int, answers: Mapping[str, Any]) -> Rating:
        """Save a rating of the intervention with this number, from 0: on disk when this returns.

        answers: answers, right_trigger and comment. Raises ValueError for what no rating can have, and OSError where
        the file cannot be written.
        """
        item = self.items[number]
        at = datetime.now(UTC).isoformat(timespec="seconds")
        one = from_json(Rating, {**answers, "item": item.id, "digest": self._digests[item.id], "at": at})
        if one.right_trigger == item.intervention.finding.trigger:
            raise ValueError(f"right_trigger is {one.right_trigger!r}, which was rated as wrong")
        append_line(self._file, to_json(one))
        self.latest[item.id] = one
        return one


@contextmanager
def reviewing(run: Path, name: str, items: tuple[Item, ...]) -> Iterator[Reviewer]:
    """A reviewer of a curation, for this process alone.

    Raises ValueError where another process holds the reviewer's file, for what is no name, and as `Reviewer` does.
    """
    file = reviewer_file(run, name)
    with file.with_name(f".{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{file}: {name} reviews in another process; go on there, or end it") from None
        yield Reviewer(name, file, items)


def read_reviewers(run: Path, sample: ReviewSample) -> dict[str, tuple[Rating, ...]]:
    """Return each reviewer's ratings, by name: the last complete rating of each intervention; drafts are left out.

    Raises ValueError as `read_ratings` does.
    """
    names = sorted(file.stem for file in sample_file(run).parent.glob("*.jsonl") if NAME.fullmatch(file.stem))
    found: dict[str, tuple[Rating, ...]] = {}
    for name in names:
        lines = read_ratings(reviewer_file(run, name), sample.items)
        found[name] = tuple({one.item: one for one in lines if one.complete}.values())
    return found
