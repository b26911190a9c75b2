"""How good the plans are, for problems with a checker (`env.checkers`)."""

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


def plans(samples: Sequence[Sample], naming: Callable[[Problem], str] | None) -> dict[str, Plans]:
    """Return the plans of all problems and of each set that `naming` names; empty if no problem has a checker."""
    asked = [sample for sample in samples if sample.episode.problem.checker is not None]
    if not asked:
        return {}
    sets: dict[str, list[Sample]] = {ALL: asked}
    for sample in asked if naming is not None else ():
        assert naming is not None
        sets.setdefault(naming(sample.episode.problem) or "other", []).append(sample)
    return {name: _plans(part) for name, part in sets.items()}


def _plans(samples: Sequence[Sample]) -> Plans:
    scores: dict[str, list[tuple[Problem, Score]]] = {}
    for sample in samples:
        problem, found = sample.episode.problem, score(sample.episode)
        if found.reward is not None and not (found.reward == 1 and found.feasible is None):
            scores.setdefault(sample.id, []).append((problem, found))
    known = [found for part in scores.values() for _, found in part]
    gaps = [found.gap for found in known if found.gap is not None]
    return Plans(
        samples=len(known),
        checked=sum(found.feasible is not None for found in known),
        feasible=_share([[found.feasible is True for _, found in part] for part in scores.values()]),
        within_tolerance=_share([[_within(*one) for one in part] for part in scores.values()]),
        mean_gap=fmean(gaps) if gaps else None,
        median_gap=median(gaps) if gaps else None,
        checker_failures=sum(sample.checker_failed for sample in samples),
    )


def _within(problem: Problem, found: Score) -> bool:
    return found.feasible is True and (found.gap is None or found.gap <= problem.tolerance)


def _share(problems: Sequence[Sequence[bool]]) -> Interval | None:
    return mean_share([fmean(part) for part in problems]) if problems else None
