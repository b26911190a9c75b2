"""The scored samples of each problem, from which the accuracies are computed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from storm_calm.agents.evaluation.majority_vote import majority_reward, vote_of
from storm_calm.agents.evaluation.pass_at_k import pass_at
from storm_calm.agents.evaluation.samples import Sample
from storm_calm.env import Problem, Score, score
from storm_calm.env.reward import scorable


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """The scored samples of one problem under one rule."""

    problem: Problem
    scores: Mapping[int, tuple[Score, ...]]
    """The scores by repetition, in the order of the samples; only repetitions with scored samples, at least one."""

    @property
    def right(self) -> int:
        """Correct samples of all repetitions."""
        return sum(map(_right, self.scores.values()))

    @property
    def scored(self) -> int:
        """Samples with a score, at least 1."""
        return sum(map(len, self.scores.values()))

    @property
    def share(self) -> float:
        """The problem's pass@1, in [0, 1]."""
        return self.right / self.scored

    def share_in(self, repetition: int) -> float | None:
        """Return the problem's pass@1 in one repetition, or None without a scored sample there."""
        scores = self.scores.get(repetition)
        return None if scores is None else _right(scores) / len(scores)

    def pass_at_k(self, k: int) -> float | None:
        """Return the mean of pass@k over the repetitions with k scored samples, or None without one."""
        whole = self._with_at_least(k)
        return fmean(pass_at(k, _right(scores), len(scores)) for scores in whole) if whole else None

    def majority_at_k(self, k: int) -> float | None:
        """Return the mean of majority@k (`agents.evaluation.majority_vote`) over the same repetitions, or None."""
        whole = [[(vote_of(one), one.reward or 0.0) for one in scores[:k]] for scores in self._with_at_least(k)]
        return fmean(map(majority_reward, whole)) if whole else None

    def _with_at_least(self, k: int) -> list[tuple[Score, ...]]:
        return [scores for scores in self.scores.values() if len(scores) >= k]


def _right(scores: Iterable[Score]) -> int:
    return sum(one.reward == 1 for one in scores)


def tallies(samples: Iterable[Sample], rule: str) -> dict[str, Tally]:
    """Return the tally of each problem with a scored sample, by the problem's id.

    Problems without accepted answers and checker have none.
    """
    problems: dict[str, Problem] = {}
    found: dict[str, dict[int, list[tuple[int, Score]]]] = {}
    for sample in samples:
        if not scorable(sample.episode.problem):
            continue
        scored = score(sample.episode, rule)
        if scored.reward is not None:
            problems[sample.id] = sample.episode.problem
            found.setdefault(sample.id, {}).setdefault(sample.repetition, []).append((sample.sample, scored))
    return {
        id: Tally(
            problem=problems[id],
            scores={
                repetition: tuple(one for _, one in sorted(scores, key=lambda pair: pair[0]))
                for repetition, scores in sorted(repetitions.items())
            },
        )
        for id, repetitions in found.items()
    }


def grouped(found: Iterable[Tally], naming: Callable[[Problem], str]) -> dict[str, list[Tally]]:
    """Group the tallies by the names of their problems, with "other" for problems without a name."""
    groups: dict[str, list[Tally]] = {}
    for tally in found:
        groups.setdefault(naming(tally.problem) or "other", []).append(tally)
    return groups
