"""The table that papers print: for each test set the accuracy over seeds, pass@k and majority@k.

Each seed repeats the evaluation on the same problems, so the standard deviation over seeds is that of sampling alone.
It does not say how the accuracy would vary over other problems: the intervals (`agents.evaluation.intervals`) do.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from storm_calm.agents.evaluation.tallies import TallyTable, known

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
    found: TallyTable, sets: Mapping[str, Iterable[int]], tests: Mapping[str, Iterable[int]]
) -> dict[str, TableRow]:
    """Return the rows: all problems, each of `sets` and, with several of `tests`, their macro mean.

    Returns no rows without a scored sample. sets, tests: the numbers of the problems in each named set.
    """
    if not found:
        return {}
    rows = {name: _row(found.take(part)) for name, part in sets.items()}
    of_tests = [_row(found.take(part)) for part in tests.values()] if len(tests) > 1 else []
    macro = {MACRO: _macro(of_tests)} if of_tests else {}
    return {ALL: _row(found), **rows, **macro}


def _row(found: TallyTable) -> TableRow:
    at_k = {name: _mean(known(column)) for name, column in found.at_k.items()}
    return _over_seeds(
        tuple(_mean(known(column)) for column in found.in_seed),
        problems=len(found),
        pass_at_k=at_k.get("pass"),
        majority_at_k=at_k.get("majority"),
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
    measured = [one for one in by_seed if one is not None]
    return TableRow(
        problems=problems,
        accuracy=fmean(measured),
        deviation=stdev(measured) if len(measured) > 1 else None,
        by_seed=by_seed,
        pass_at_k=pass_at_k,
        majority_at_k=majority_at_k,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    measured = [value for value in values if value is not None]
    return fmean(measured) if measured else None
