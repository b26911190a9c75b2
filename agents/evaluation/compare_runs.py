"""Evaluations side by side, and how far they are from the first one on the problems that they share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.agents.evaluation.intervals import Interval, mean_difference
from storm_calm.agents.evaluation.results import Tally, tallies
from storm_calm.agents.evaluation.samples import Sample, read_samples
from storm_calm.env import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatedRun:
    """A finished evaluation."""

    name: str
    """What it is called beside the others: its folder's name, or the whole path where names are the same."""
    results: dict[str, Any]
    """Its results.json."""
    samples: tuple[Sample, ...]
    """Its samples."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How much better a run is than the first one."""

    problems: int
    """Problems that both have and that both have a scored sample of."""
    rules: dict[str, Interval]
    """Difference of pass@1 under each rule, in [-1, 1]; the interval is paired, see `agents.evaluation.intervals`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Runs side by side."""

    runs: tuple[EvaluatedRun, ...]
    """The runs, in the order given."""
    rules: tuple[str, ...]
    """The rules under which all of them are scored."""
    differences: tuple[Difference, ...]
    """To the first run, one for each run after it."""


def compare(folders: Sequence[Path]) -> Comparison:
    """Compare finished evaluations.

    Raises ValueError for fewer than two, for a folder without a finished evaluation, and for runs that share no rule,
    or with the first one no problem.
    """
    if len({folder.resolve() for folder in folders}) != len(folders) or len(folders) < 2:
        raise ValueError("give at least two different runs, each the --out of a storm eval")
    runs = tuple(_read(folder, folders) for folder in folders)
    rules = tuple(rule for rule in runs[0].results["rules"] if all(rule in run.results["rules"] for run in runs))
    if not rules:
        listed = "; ".join(f"{run.name}: {', '.join(run.results['rules'])}" for run in runs)
        raise ValueError(f"the runs share no scoring rule ({listed}); score one anew with --resume --rule NAME")
    differences = tuple(_difference(runs[0], run, rules) for run in runs[1:])
    return Comparison(runs=runs, rules=rules, differences=differences)


def _read(folder: Path, folders: Sequence[Path]) -> EvaluatedRun:
    file = folder / "results.json"
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
        assert isinstance(results["rules"], dict)
        assert isinstance(results["behaviour"], dict)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(
            f"{folder}: no results.json in it; give the --out of a storm eval, and finish one that was stopped with "
            f"storm eval --out {folder} --resume"
        ) from None
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise ValueError(f"{file}: not the results of an evaluation; write them anew with --resume") from error
    alone = sum(other.resolve().name == folder.resolve().name for other in folders) == 1
    samples = read_samples(folder / "samples.jsonl")
    return EvaluatedRun(name=folder.resolve().name if alone else str(folder), results=results, samples=samples)


def _difference(first: EvaluatedRun, other: EvaluatedRun, rules: Sequence[str]) -> Difference:
    found: dict[str, Interval] = {}
    count = 0
    for rule in rules:
        before, after = (
            {_identity(tally.problem): tally for tally in tallies(run.samples, rule).values()} for run in (first, other)
        )
        shared = before.keys() & after.keys()
        if not shared:
            raise ValueError(f"{first.name} and {other.name} share no problem; compare runs on the same problems")
        # In a fixed order, since a bootstrap depends on it.
        found[rule] = mean_difference([_gain(before[key], after[key]) for key in sorted(shared)])
        count = len(shared)
    return Difference(problems=count, rules=found)


def _identity(problem: Problem) -> tuple[str, str, str]:
    """Two runs had the same problem if its id, its question and its accepted answers are the same."""
    return problem.id, problem.question, repr(problem.answers)


def _gain(before: Tally, after: Tally) -> float:
    return after.share - before.share
