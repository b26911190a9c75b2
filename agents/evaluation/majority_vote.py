"""majority@k: whether the answer that most of k samples agree on is correct.

    majority_reward([(12.0, 1.0), (12.0, 1.0), (15.0, 0.0), (None, 0.0)])       # 1.0

The vote never sees a label. Two answers agree if they are the same status or nearly the same number: all numbers are
sorted, and neighbours that differ by at most 1e-6 * max(1, |a|, |b|) agree. A scoring rule compares an answer with a
label; unlike this, it is neither symmetric nor transitive. So agreement does not depend on the order of the samples.
"""

from collections.abc import Sequence

from storm_calm.env import Score

TOLERANCE = 1e-6
"""The largest difference of neighbouring numbers that agree, relative to max(1, |a|, |b|)."""

FEASIBLE = "feasible"
"""The vote of a feasible plan without an objective."""

Vote = float | str | None
"""A number, a status such as "infeasible", or None for a sample that does not vote."""


def vote_of(score: Score) -> Vote:
    """Return the vote of a sample: its answer or, if its plan was checked, the objective of a feasible plan.

    A sample without an answer does not vote, nor does one whose plan is missing or not feasible.
    """
    if score.reason == "no_output":
        return None
    if score.feasible is not None:
        objective = FEASIBLE if score.objective is None else score.objective
        return objective if score.feasible else None
    if score.answer is None:
        return None
    return score.answer.status if score.answer.value is None else score.answer.value


def majority_vote(votes: Sequence[Vote]) -> int | None:
    """Return the index of the earliest sample in the largest group that agrees, or None if no sample votes.

    Of equally large groups, the one with the earliest sample wins.
    """
    groups = _groups(votes)
    return max(groups, key=lambda group: (len(group), -group[0]))[0] if groups else None


def majority_reward(samples: Sequence[tuple[Vote, float]]) -> float:
    """Return the reward of the answer that wins the vote, which is that of its earliest sample; 0 without votes.

    samples: the vote and the reward of each.
    """
    winner = majority_vote([vote for vote, _ in samples])
    return 0.0 if winner is None else samples[winner][1]


def _groups(votes: Sequence[Vote]) -> list[list[int]]:
    """Return the indices of the samples that agree, each group in ascending order."""
    statuses: dict[str, list[int]] = {}
    numbers: list[tuple[float, int]] = []
    for index, vote in enumerate(votes):
        if isinstance(vote, str):
            statuses.setdefault(vote, []).append(index)
        elif vote is not None:
            numbers.append((vote, index))
    groups: list[list[int]] = []
    before = None
    for number, index in sorted(numbers):
        if before is None or number - before > TOLERANCE * max(1.0, abs(number), abs(before)):
            groups.append([])
        groups[-1].append(index)
        before = number
    return [sorted(group) for group in groups] + list(statuses.values())
