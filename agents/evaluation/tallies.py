"""The scored samples of each problem, from which the accuracies are computed."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isnan, nan
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


def by_problem(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    """Yield the samples of each problem. An iterator must have them one after another, as a finished run does."""
    if isinstance(samples, Sequence):
        first = {id: number for number, id in reversed(list(enumerate(sample.id for sample in samples)))}
        samples = sorted(samples, key=lambda sample: first[sample.id])
    for _, own in groupby(samples, key=lambda sample: sample.id):
        yield list(own)


class Shares:
    """The pass@1 of problems under each rule, 8 bytes each."""

    def __init__(self, rules: Iterable[str]) -> None:
        self.by_rule = {rule: array("d") for rule in rules}

    def __len__(self) -> int:
        return len(next(iter(self.by_rule.values())))

    def add(self, samples: Iterable[Sample]) -> None:
        """Add the problem of these samples, unless none is scored."""
        own = list(samples)
        for rule, shares in self.by_rule.items():
            shares.extend(tally.share for tally in tallies(own, rule).values())


class TallyTable:
    """The figures of problems under one rule, in columns of 8 bytes a problem. NaN is no figure."""

    def __init__(self, *, seeds: int, samples: int) -> None:
        """samples: of a problem with each seed."""
        self.seeds, self.samples = seeds, samples
        self.share = array("d")
        """pass@1."""
        self.in_seed = tuple(array("d") for _ in range(seeds))
        """pass@1 with each seed."""
        self.at_k = {name: array("d") for name in (("pass", "majority") if samples > 1 else ())}
        """pass@k and majority@k, with k = `samples`."""

    def __len__(self) -> int:
        return len(self.share)

    def add(self, tally: Tally) -> None:
        """Add a problem."""
        self.share.append(tally.share)
        for repetition, column in enumerate(self.in_seed):
            column.append(_or_nan(tally.share_in(repetition)))
        if self.samples > 1:
            self.at_k["pass"].append(_or_nan(tally.pass_at_k(self.samples)))
            self.at_k["majority"].append(_or_nan(tally.majority_at_k(self.samples)))

    def take(self, rows: Iterable[int]) -> "TallyTable":
        """Return the table of these problems."""
        part, chosen = TallyTable(seeds=self.seeds, samples=self.samples), array("q", rows)
        for own, whole in zip(part._columns(), self._columns(), strict=True):
            own.extend(whole[row] for row in chosen)
        return part

    def _columns(self) -> "list[array[float]]":
        return [self.share, *self.in_seed, *self.at_k.values()]


def known(values: Iterable[float]) -> "array[float]":
    """Return the values without NaN."""
    return array("d", (value for value in values if not isnan(value)))


def _or_nan(value: float | None) -> float:
    return nan if value is None else value


class GroupNames:
    """The name of the group of each problem, 4 bytes each."""

    def __init__(self, naming: Callable[[Problem], str]) -> None:
        self._naming = naming
        self._numbers: dict[str, int] = {}
        self._of_problem = array("i")

    def add(self, problem: Problem) -> None:
        """Add a problem. One without a name is in "other"."""
        name = self._naming(problem) or "other"
        self._of_problem.append(self._numbers.setdefault(name, len(self._numbers)))

    def rows(self) -> "dict[str, array[int]]":
        """Return the numbers of the problems in each group, in the order of their first problems."""
        found = {number: array("q") for number in self._numbers.values()}
        for row, number in enumerate(self._of_problem):
            found[number].append(row)
        return {name: found[number] for name, number in self._numbers.items()}
