"""Compare evaluations: their results, and their paired differences from the first one on shared problems."""

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.agents.evaluation.intervals import Interval, mean_difference
from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES
from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.env import RULES


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatedRun:
    """A finished evaluation."""

    name: str
    """The folder's name, or its path if another run has the same name."""
    results: dict[str, Any]
    """The content of its results.json."""


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
    rules = tuple(
        rule for rule in runs[0].results["rules"] if rule in RULES and all(rule in run.results["rules"] for run in runs)
    )
    if not rules:
        listed = "; ".join(f"{run.name}: {', '.join(run.results['rules'])}" for run in runs)
        raise ValueError(f"the runs share no scoring rule ({listed}); score one anew with --resume --rule NAME")
    pairs = zip(runs[1:], folders[1:], strict=True)
    differences = tuple(_difference(folders[0], run, folder, runs[0].name, rules) for run, folder in pairs)
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
    return EvaluatedRun(name=folder.resolve().name if unique else str(folder), results=results)


def _difference(first: Path, other: EvaluatedRun, folder: Path, name: str, rules: Sequence[str]) -> Difference:
    """Compare a run with the first one. first, folder: their run folders. name: of the first run."""
    # Sorted by the id of the problem, since the bootstrap depends on the order.
    gains = {rule: array("d") for rule in rules}
    for before, after in _shared(_shares(first, rules), _shares(folder, rules)):
        for rule, one, two in zip(rules, before, after, strict=True):
            gains[rule].append(two - one)
    count = len(gains[rules[0]])
    if not count:
        raise ValueError(f"{name} and {other.name} share no problem; compare runs on the same problems")
    return Difference(problems=count, rules={rule: mean_difference(found) for rule, found in gains.items()})


Shares = Iterator[tuple[tuple[str, str], tuple[float, ...]]]
"""Problems by id and hash, in order, each with its pass@1 under each rule."""


def _shares(folder: Path, rules: Sequence[str]) -> Shares:
    """Yield the problems of a run that have a scored sample, from the index of its records."""
    right = [f"sum(instr(',' || right_under || ',', ',{rule},') > 0)" for rule in rules]
    with RecordStore.open(folder, EVALUATION_SAMPLES) as store:
        for id, problem, scored, *counts in store.rows(
            ("id", "problem", "count(*)", *right),
            where="right_under IS NOT NULL",
            group="id, problem",
            order="id, problem",
        ):
            yield (id, problem), tuple(count / scored for count in counts)


def _shared(first: Shares, other: Shares) -> Iterator[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Yield the shares of problems in both runs, by merging the two orders."""
    one, two = next(first, None), next(other, None)
    while one is not None and two is not None:
        if one[0] < two[0]:
            one = next(first, None)
        elif two[0] < one[0]:
            two = next(other, None)
        else:
            yield one[1], two[1]
            one, two = next(first, None), next(other, None)
