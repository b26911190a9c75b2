"""A whole review, read: the sample and what every reviewer said. Nothing is written, so reviewers may be at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storm_calm.serving.review.items import Item, read_items
from storm_calm.serving.review.judgements import Judgement
from storm_calm.serving.review.reviewer import read_reviewers
from storm_calm.serving.review.sample import Sample, matched, read_sample


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """What there is of a review."""

    sample: Sample
    """What was drawn, and how."""
    items: tuple[Item, ...]
    """The interventions of the sample, in its order."""
    reviewers: dict[str, dict[str, Judgement]]
    """Complete judgements, by reviewer and by the intervention's id."""

    @property
    def judged(self) -> tuple[Item, ...]:
        """The interventions that somebody judged."""
        return tuple(item for item in self.items if self.said(item))

    def said(self, item: Item) -> list[Judgement]:
        """What the reviewers said about an intervention."""
        return [judgements[item.id] for judgements in self.reviewers.values() if item.id in judgements]

    @property
    def rejected(self) -> dict[str, str]:
        """The interventions that reviewers rejected, by id, with why in words.

        Rejected: at least half of those who judged it said that the finding is wrong, that the hint is wrong, or that
        it leaks the answer. A tie rejects: what is doubtful is better not learned.
        """
        found: dict[str, str] = {}
        for item in self.items:
            said = self.said(item)
            against = [one for one in said if one.rejects]
            if said and 2 * len(against) >= len(said):
                found[item.id] = f"{len(against)} of {len(said)} reviewers: {_why(against)}"
        return found

    @property
    def rejected_runs(self) -> dict[str, str]:
        """The runs with a rejected intervention, by problem id, with why in words."""
        rejected = self.rejected
        reasons: dict[str, list[str]] = {}
        for item in self.items:
            if item.id in rejected:
                reasons.setdefault(item.problem.id, []).append(f"#{item.index}: {rejected[item.id]}")
        return {id: "; ".join(said) for id, said in reasons.items()}


def read_review(run: Path) -> Review:
    """The review of a curation.

    Raises ValueError where there is none, where nothing of it is judged yet, where the run was curated anew since, and
    for files that cannot be read.
    """
    items = read_items(run)
    sample = read_sample(run)
    chosen = matched(sample, items, run)
    said = read_reviewers(run, sample)
    review = Review(
        sample=sample,
        items=chosen,
        reviewers={name: {one.item: one for one in judgements} for name, judgements in said.items()},
    )
    if not review.judged:
        raise ValueError(f"{run}: nothing of its review is judged yet; storm review {run} --reviewer NAME goes on")
    return review


def _why(against: Sequence[Judgement]) -> str:
    reasons = {
        "finding wrong": any(one.answers["finding"] == "no" for one in against),
        "hint wrong": any(one.answers["hint"] == "no" for one in against),
        "leak": any(one.answers["leak"] == "yes" for one in against),
    }
    return ", ".join(reason for reason, said in reasons.items() if said)
