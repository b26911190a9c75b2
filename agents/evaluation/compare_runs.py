"""Compare evaluations: their results, and their paired differences from the first one on shared problems."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.agents.evaluation.intervals import Interval, mean_difference
from storm_calm.agents.evaluation.samples import Sample, read_samples
from storm_calm.agents.evaluation.tallies import Tally, tallies


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatedRun:
    """A finished evaluation."""

    name: str
    """The folder's name, or its path if another run has the same name."""
    results: dict[str, Any]
    """The content of its results.json."""
    samples: tuple[Sample, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How much better a run is than the first one."""

    problems: int
    """Problems with a scored sample in both runs."""
    rules: dict[str, Interval]
    """Difference of pass@1 under each rule, in [-1, 1], with a paired interval (`agents.evaluation.intervals`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Several runs, compared with the first one."""

    runs: tuple[EvaluatedRun, ...]
    rules: tuple[str, ...]
    """The scoring rules that all runs share."""
    differences: tuple[Difference, ...]
    """The difference from the first run, for each further run."""


def compare(folders: Sequence[Path]) -> Comparison:
    """Compare finished evaluations. Raises ValueError if one is not finished, or if they share no rule or problem."""
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
            f"{folder}: no results.json in it; give the --out of a storm eval. Finish an interrupted one with "
            f"storm eval --out {folder} --resume"
        ) from None
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise ValueError(f"{file}: not the results of an evaluation; write them anew with --resume") from error
    unique = sum(other.resolve().name == folder.resolve().name for other in folders) == 1
    samples = read_samples(folder / "samples.jsonl")
    return EvaluatedRun(name=folder.resolve().name if unique else str(folder), results=results, samples=samples)


def _difference(first: EvaluatedRun, other: EvaluatedRun, rules: Sequence[str]) -> Difference:
    intervals: dict[str, Interval] = {}
    count = 0
    for rule in rules:
        before, after = _by_problem(first, rule), _by_problem(other, rule)
        # Sorted, since the bootstrap depends on the order.
        shared = sorted(before.keys() & after.keys())
        if not shared:
            raise ValueError(f"{first.name} and {other.name} share no problem; compare runs on the same problems")
        intervals[rule] = mean_difference([after[key].share - before[key].share for key in shared])
        count = len(shared)
    return Difference(problems=count, rules=intervals)


def _by_problem(run: EvaluatedRun, rule: str) -> dict[tuple[str, str, str], Tally]:
    """Return the run's tallies by what identifies a problem: its id, its question and its accepted answers."""
    return {
        (tally.problem.id, tally.problem.question, repr(tally.problem.answers)): tally
        for tally in tallies(run.samples, rule).values()
    }
