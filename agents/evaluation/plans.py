"""How good the plans are, for problems with a checker (`env.checkers`)."""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from storm_calm.agents.evaluation.intervals import Interval, mean_share
from storm_calm.agents.evaluation.samples import Sample
from storm_calm.agents.evaluation.seed_table import ALL
from storm_calm.env import Problem, Score, score


@dataclass(frozen=True, kw_only=True, slots=True)
class Plans:
    """The plans of samples on problems with a checker.

    A share is a mean over problems. It is over all samples that need a plan: a missing plan is not feasible.
    """

    samples: int
    """Scored samples that need a plan: all but correct answers such as "infeasible"."""
    checked: int
    """Samples of them with a checked plan."""
    feasible: Interval | None
    """Share of feasible plans; None without samples."""
    within_tolerance: Interval | None
    """Share of feasible plans whose gap is within the problem's tolerance; None without samples."""
    mean_gap: float | None
    """Mean gap (`env.Score.gap`) of the feasible plans; None if no gap is known."""
    median_gap: float | None
    """Median of the same gaps."""
    checker_failures: int
    """Samples whose checker failed: neither correct nor wrong, and repeated on --resume."""


class PlanSums:
    """The plans of all problems and of each set that `naming` names."""

    def __init__(self, naming: Callable[[Problem], str] | None) -> None:
        self._naming = naming
        self._sets: dict[str, _SetSums] = {}

    def add(self, samples: Sequence[Sample]) -> None:
        """Add all samples of a problem."""
        problem = samples[0].episode.problem
        if problem.checker is None:
            return
        names = [ALL] if self._naming is None else [ALL, self._naming(problem) or "other"]
        for name in dict.fromkeys(names):
            self._sets.setdefault(name, _SetSums()).add(samples)

    def total(self) -> dict[str, Plans]:
        """Return the plans by set; empty if no problem has a checker."""
        return {name: sums.total() for name, sums in self._sets.items()}


class _SetSums:
    """The plans of a set: 16 bytes for each problem, 8 for each gap."""

    def __init__(self) -> None:
        self._samples = self._checked = self._failures = 0
        self._feasible, self._within, self._gaps = array("d"), array("d"), array("d")

    def add(self, samples: Sequence[Sample]) -> None:
        self._failures += sum(sample.checker_failed for sample in samples)
        scores = [(sample.episode.problem, score(sample.episode)) for sample in samples]
        own = [
            (problem, found)
            for problem, found in scores
            if found.reward is not None and not (found.reward == 1 and found.feasible is None)
        ]
        if own:
            self._samples += len(own)
            self._checked += sum(found.feasible is not None for _, found in own)
            self._feasible.append(fmean(found.feasible is True for _, found in own))
            self._within.append(fmean(_within(problem, found) for problem, found in own))
            self._gaps.extend(found.gap for _, found in own if found.gap is not None)

    def total(self) -> Plans:
        return Plans(
            samples=self._samples,
            checked=self._checked,
            feasible=mean_share(self._feasible) if self._feasible else None,
            within_tolerance=mean_share(self._within) if self._within else None,
            mean_gap=fmean(self._gaps) if self._gaps else None,
            median_gap=median(self._gaps) if self._gaps else None,
            checker_failures=self._failures,
        )


def _within(problem: Problem, found: Score) -> bool:
    return found.feasible is True and (found.gap is None or found.gap <= problem.tolerance)
