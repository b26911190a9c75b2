"""The results of a review: approval rates by trigger and finder, and the agreement of reviewers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from storm_calm.agents.evaluation.intervals import Interval, mean_share
from storm_calm.env import TRIGGERS
from storm_calm.env.serialize import to_json
from storm_calm.serving.review.cohen_kappa import RaterAgreement, agreement
from storm_calm.serving.review.ratings import QUESTIONS
from storm_calm.serving.review.read_review import Review
from storm_calm.serving.review.review_items import Item


@dataclass(frozen=True, kw_only=True, slots=True)
class YesRate:
    """How often a question is answered with yes, per intervention regardless of its number of reviewers."""

    n: int
    """Interventions with at least one yes or no."""
    yes: int
    """Of `n`, those with a majority for yes, or a tie if yes is the bad answer."""
    split: int
    """Of `n`, those with a tie, which counts as the bad answer."""
    cannot_say: int
    """Answers `cannot_say` over all reviewers; not counted elsewhere."""
    interval: Interval | None
    """The rate, in [0, 1], with Wilson's 95 % interval; None for n = 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RatingGroup:
    """The rates over some of the interventions."""

    reviewed: int
    """Interventions with at least one rating."""
    rates: dict[str, YesRate]
    """By question."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewResults:
    """The results of a review."""

    sample: int
    """Interventions in the sample."""
    drawn_from: int
    """Interventions of the curation."""
    reviewers: dict[str, int]
    """Complete ratings by reviewer."""
    overall: RatingGroup
    by_finder: dict[str, RatingGroup]
    """By finder of the flaw: rules, llm, person."""
    by_trigger: dict[str, RatingGroup]
    agreement: dict[tuple[str, str], dict[str, RaterAgreement]]
    """By pair of reviewers, then by question, over items that both answered with yes or no."""
    rejected: dict[str, str]
    """Rejected interventions with reasons; see `Review.rejected`."""


def results_to_json(found: ReviewResults) -> dict[str, Any]:
    """Return the results as JSON data with six decimals; the rates of a group are merged into the group."""
    data = to_json(replace(found, agreement={}), digits=6)
    agreement = [
        {"reviewers": list(pair), **{question: to_json(one, digits=6) for question, one in questions.items()}}
        for pair, questions in found.agreement.items()
    ]
    return {
        **data,
        "overall": _flat(data["overall"]),
        **{by: {name: _flat(group) for name, group in data[by].items()} for by in ("by_finder", "by_trigger")},
        "agreement": agreement,
    }


def _flat(group: dict[str, Any]) -> dict[str, Any]:
    rates: dict[str, Any] = {}
    for question, rate in group["rates"].items():
        interval = rate.pop("interval") or {"mean": None, "low": None, "high": None}
        rates[question] = {**rate, "rate": interval["mean"], "low": interval["low"], "high": interval["high"]}
    return {"reviewed": group["reviewed"], **rates}


def results(review: Review) -> ReviewResults:
    """Compute the results of a review, complete or not."""
    finders: dict[str, list[Item]] = {}
    triggers: dict[str, list[Item]] = {}
    for item in review.reviewed:
        trigger, finder = item.stratum
        triggers.setdefault(trigger, []).append(item)
        finders.setdefault(finder, []).append(item)
    return ReviewResults(
        sample=len(review.items),
        drawn_from=review.sample.drawn_from,
        reviewers={name: len(ratings) for name, ratings in review.reviewers.items()},
        overall=_group(review, review.reviewed),
        by_finder={finder: _group(review, finders[finder]) for finder in sorted(finders)},
        by_trigger={trigger: _group(review, triggers[trigger]) for trigger in TRIGGERS if trigger in triggers},
        agreement={pair: _agreement(review, *pair) for pair in combinations(review.reviewers, 2)},
        rejected=review.rejected,
    )


def _group(review: Review, items: Sequence[Item]) -> RatingGroup:
    return RatingGroup(reviewed=len(items), rates={question: _rate(review, items, question) for question in QUESTIONS})


def _rate(review: Review, items: Sequence[Item], question: str) -> YesRate:
    values: list[int] = []
    split = cannot_say = 0
    for item in items:
        answers = [one.answers[question] for one in review.ratings_of(item)]
        yes, no = answers.count("yes"), answers.count("no")
        cannot_say += len(answers) - yes - no
        if yes == no:
            if not yes:
                continue
            split += 1
        values.append(int(yes > no or (yes == no and QUESTIONS[question].good == "no")))
    interval = mean_share(values) if values else None
    return YesRate(n=len(values), yes=sum(values), split=split, cannot_say=cannot_say, interval=interval)


def _agreement(review: Review, one: str, other: str) -> dict[str, RaterAgreement]:
    found: dict[str, RaterAgreement] = {}
    for question in QUESTIONS:
        pairs = [
            (first.answers[question], review.reviewers[other][id].answers[question])
            for id, first in review.reviewers[one].items()
            if id in review.reviewers[other]
        ]
        found[question] = agreement([pair for pair in pairs if "cannot_say" not in pair])
    return found
