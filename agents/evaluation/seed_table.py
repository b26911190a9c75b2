"""The table that papers print: for each test set the accuracy over seeds, pass@k and majority@k.

Each seed repeats the evaluation on the same problems, so the standard deviation over seeds is that of sampling alone.
It does not say how the accuracy would vary over other problems: the intervals (`agents.evaluation.intervals`) do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from storm_calm.agents.evaluation.tallies import Tally, grouped
from storm_calm.env import Problem
from storm_calm.env.problems.benchmarks import benchmark_of

ALL = "all"
"""The row of all problems."""
MACRO = "macro"
"""The row of the means over several test sets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """The accuracy on a set of problems, over the seeds."""

    problems: int
    """Problems with at least one scored sample."""
    accuracy: float
    """Mean of `by_seed`, in [0, 1]."""
    deviation: float | None
    """Sample standard deviation of `by_seed`, with n - 1 in the denominator; None for fewer than two seeds."""
    by_seed: tuple[float | None, ...]
    """Accuracy (pass@1) with each seed; None without a scored sample."""
    pass_at_k: float | None
    """pass@k, the mean over seeds, k being the samples with each seed; None if k is 1, or without k scored samples."""
    majority_at_k: float | None
    """majority@k, the mean over seeds; None as for `pass_at_k`."""


def seed_table(
    found: Sequence[Tally], naming: Callable[[Problem], str] | None, *, seeds: int, samples: int
) -> dict[str, TableRow]:
    """Return the rows: all problems, each set that `naming` names and, with several test sets, their macro mean.

    Returns no rows without a scored sample. naming: None for no sets. samples: with each seed.
    """
    if not found:
        return {}
    sets = grouped(found, naming) if naming is not None else {}
    rows = {name: _row(part, seeds, samples) for name, part in sets.items()}
    tests = [_row(part, seeds, samples) for part in grouped(found, benchmark_of).values()]
    macro = {MACRO: _macro(tests)} if len(tests) > 1 else {}
    return {ALL: _row(found, seeds, samples), **rows, **macro}


def _row(found: Sequence[Tally], seeds: int, samples: int) -> TableRow:
    by_seed = tuple(_mean([tally.share_in(repetition) for tally in found]) for repetition in range(seeds))
    return _over_seeds(
        by_seed,
        problems=len(found),
        pass_at_k=_mean([tally.pass_at_k(samples) for tally in found]) if samples > 1 else None,
        majority_at_k=_mean([tally.majority_at_k(samples) for tally in found]) if samples > 1 else None,
    )


def _macro(rows: Sequence[TableRow]) -> TableRow:
    return _over_seeds(
        tuple(_mean(column) for column in zip(*(row.by_seed for row in rows), strict=True)),
        problems=sum(row.problems for row in rows),
        pass_at_k=_mean([row.pass_at_k for row in rows]),
        majority_at_k=_mean([row.majority_at_k for row in rows]),
    )


def _over_seeds(
    by_seed: tuple[float | None, ...], *, problems: int, pass_at_k: float | None, majority_at_k: float | None
) -> TableRow:
    known = [one for one in by_seed if one is not None]
    return TableRow(
        problems=problems,
        accuracy=fmean(known),
        deviation=stdev(known) if len(known) > 1 else None,
        by_seed=by_seed,
        pass_at_k=pass_at_k,
        majority_at_k=majority_at_k,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
