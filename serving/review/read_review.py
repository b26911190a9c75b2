"""A whole review, read: the sample and every reviewer's ratings. Nothing is written, so reviewers may be at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storm_calm.serving.review.ratings import Rating
from storm_calm.serving.review.review_items import Item, read_items
from storm_calm.serving.review.review_sample import ReviewSample, matched, read_sample
from storm_calm.serving.review.reviewer import read_reviewers


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """What there is of a review."""

    sample: ReviewSample
    """What was drawn, and how."""
    items: tuple[Item, ...]
    """The interventions of the sample, in its order."""
    reviewers: dict[str, dict[str, Rating]]
    """Complete ratings, by reviewer and by the intervention's id."""

    @property
    def reviewed(self) -> tuple[Item, ...]:
        """The interventions that somebody reviewed."""
        return tuple(item for item in self.items if self.ratings_of(item))

    def ratings_of(self, item: Item) -> list[Rating]:
        """Return the reviewers' ratings of an intervention."""
        return [ratings[item.id] for ratings in self.reviewers.values() if item.id in ratings]

    @property
    def rejected(self) -> dict[str, str]:
        """The interventions that reviewers rejected, by id, with why in words.

        Rejected: at least half of those who reviewed it said that the finding is wrong, that the hint is wrong, or that
        it leaks the answer. A tie rejects: what is doubtful is better not learned.
        """
        found: dict[str, str] = {}
        for item in self.items:
            ratings = self.ratings_of(item)
            against = [one for one in ratings if one.rejects]
            if ratings and 2 * len(against) >= len(ratings):
                found[item.id] = f"{len(against)} of {len(ratings)} reviewers: {_why(against)}"
        return found

    @property
    def rejected_runs(self) -> dict[str, str]:
        """The runs with a rejected intervention, by problem id, with why in words."""
        rejected = self.rejected
        reasons: dict[str, list[str]] = {}
        for item in self.items:
            if item.id in rejected:
                reasons.setdefault(item.problem.id, []).append(f"#{item.index}: {rejected[item.id]}")
        return {id: "; ".join(why) for id, why in reasons.items()}


def read_review(run: Path) -> Review:
    """The review of a curation.

    Raises ValueError if there is none, if nothing in it is reviewed yet, if the run was curated anew since, and for
    files that cannot be read.
    """
    items = read_items(run)
    sample = read_sample(run)
    chosen = matched(sample, items, run)
    by_reviewer = read_reviewers(run, sample)
    review = Review(
        sample=sample,
        items=chosen,
        reviewers={name: {one.item: one for one in ratings} for name, ratings in by_reviewer.items()},
    )
    if not review.reviewed:
        raise ValueError(f"{run}: nothing in it is reviewed yet; continue with storm review {run} --reviewer NAME")
    return review


def _why(against: Sequence[Rating]) -> str:
    reasons = {
        "finding wrong": any(one.answers["finding"] == "no" for one in against),
        "hint wrong": any(one.answers["hint"] == "no" for one in against),
        "leak": any(one.answers["leak"] == "yes" for one in against),
    }
    return ", ".join(reason for reason, given in reasons.items() if given)
