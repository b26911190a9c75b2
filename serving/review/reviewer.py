"""The file of one reviewer: locked by one process at a time, with one line per change."""

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
"""Valid names of reviewers, which become file names."""


def reviewer_file(run: Path, name: str) -> Path:
    """Return the path of a reviewer's ratings. Raises ValueError for an invalid name."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"--reviewer: {name!r} is not a name of letters, digits, - and _ that begins with a letter or digit"
        )
    return sample_file(run).parent / f"{name}.jsonl"


def read_ratings(file: Path, digests: Mapping[str, str]) -> tuple[Rating, ...]:
    """Return all ratings in a file, in order; none for a missing file.

    digests: of the interventions in the sample, by id. Raises ValueError, naming file and line, for an invalid rating
    and for one of another sample.
    """

    def rating(data: Mapping[str, Any]) -> Rating:
        one = from_json(Rating, data)
        if digests.get(one.item) != one.digest:
            raise ValueError(f"intervention {one.item} of that rating is not in the sample")
        return one

    return tuple(one for _, one in read_jsonl(file, rating, growing=True, what="a rating of this review"))


class Reviewer:
    """The ratings of one reviewer, and their file."""

    def __init__(self, name: str, file: Path, items: tuple[Item, ...]) -> None:
        """items: the sample, in order. Raises ValueError as `read_ratings` does."""
        self.name = name
        self.items = items
        self._file = file
        self._digests = {item.id: item.digest for item in items}
        self.latest = {one.item: one for one in read_ratings(file, self._digests)}
        """The last rating per intervention, complete or not."""

    @property
    def reviewed(self) -> int:
        return sum(one.complete for one in self.latest.values())

    def save(self, number: int, answers: Mapping[str, Any]) -> Rating:
        """Save a rating of intervention `number`, from 0. It is on disk when this returns.

        answers: fields answers, right_trigger and comment. Raises ValueError for an invalid rating, and OSError.
        """
        item = self.items[number]
        at = datetime.now(UTC).isoformat(timespec="seconds")
        one = from_json(Rating, {**answers, "item": item.id, "digest": self._digests[item.id], "at": at})
        if one.right_trigger == item.intervention.finding.trigger:
            raise ValueError(f"right_trigger is {one.right_trigger!r}, the trigger that is rated as wrong")
        append_line(self._file, to_json(one))
        self.latest[item.id] = one
        return one


@contextmanager
def reviewing(run: Path, name: str, items: tuple[Item, ...]) -> Iterator[Reviewer]:
    """Open a reviewer's file, locked by this process.

    Raises ValueError if another process has the lock, for an invalid name, and as `Reviewer` does.
    """
    file = reviewer_file(run, name)
    with file.with_name(f".{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{file}: {name} reviews in another process; continue there, or stop it") from None
        yield Reviewer(name, file, items)


def read_reviewers(run: Path, sample: ReviewSample) -> dict[str, tuple[Rating, ...]]:
    """Return the last complete rating per intervention, by reviewer. Raises ValueError as `read_ratings` does."""
    names = sorted(file.stem for file in sample_file(run).parent.glob("*.jsonl") if NAME.fullmatch(file.stem))
    found: dict[str, tuple[Rating, ...]] = {}
    for name in names:
        lines = read_ratings(reviewer_file(run, name), sample.items)
        found[name] = tuple({one.item: one for one in lines if one.complete}.values())
    return found
