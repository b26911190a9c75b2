"""Read a whole review: the sample and the ratings of all reviewers, also while they are active."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storm_calm.serving.review.ratings import Rating
from storm_calm.serving.review.review_items import Item, read_items
from storm_calm.serving.review.review_sample import ReviewSample, matched, read_sample
from storm_calm.serving.review.reviewer import read_reviewers


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """A review, complete or not."""

    sample: ReviewSample
    items: tuple[Item, ...]
    """The interventions of the sample, in order."""
    reviewers: dict[str, dict[str, Rating]]
    """Complete ratings by reviewer, then by intervention id."""

    @property
    def reviewed(self) -> tuple[Item, ...]:
        """The interventions with at least one rating."""
        return tuple(item for item in self.items if self.ratings_of(item))

    def ratings_of(self, item: Item) -> list[Rating]:
        return [ratings[item.id] for ratings in self.reviewers.values() if item.id in ratings]

    @property
    def rejected(self) -> dict[str, str]:
        """The rejected interventions: reasons by id.

        An intervention is rejected if at least half of its reviewers rate the finding or the hint as wrong, or the hint
        as a leak. A tie rejects, because doubtful data should not be learned.
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
        """The trajectories with a rejected intervention: reasons by problem id."""
        rejected = self.rejected
        reasons: dict[str, list[str]] = {}
        for item in self.items:
            if item.id in rejected:
                reasons.setdefault(item.problem.id, []).append(f"#{item.index}: {rejected[item.id]}")
        return {id: "; ".join(why) for id, why in reasons.items()}


def read_review(run: Path) -> Review:
    """Read the review of a curation.

    Raises ValueError without any complete rating, if the run was curated again since, and for unreadable files.
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
        raise ValueError(f"{run}: no intervention is reviewed yet; continue with storm review {run} --reviewer NAME")
    return review


def _why(against: Sequence[Rating]) -> str:
    reasons = {
        "finding wrong": any(one.answers["finding"] == "no" for one in against),
        "hint wrong": any(one.answers["hint"] == "no" for one in against),
        "leak": any(one.answers["leak"] == "yes" for one in against),
    }
    return ", ".join(reason for reason, given in reasons.items() if given)
