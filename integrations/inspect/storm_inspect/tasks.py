"""The tasks: problem families, stress sets and public benchmarks."""

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from inspect_ai import Task, task

from storm_calm.env import RULES, Problem
from storm_calm.env.problems.benchmarks import load_benchmarks
from storm_calm.env.problems.families import choose, generate
from storm_calm.env.problems.families.split import Split
from storm_calm.env.problems.stress.kinds import generate as generate_stress
from storm_inspect.samples import to_dataset
from storm_inspect.scorer import storm_scorer
from storm_inspect.solver import storm_agent


@task
def families(
    names: str | list[str] = "all",
    difficulty: str = "",
    split: Split = "heldout",
    limit: int = 100,
    seed: int = 0,
    size: int | None = None,
    data_dir: str | None = None,
    rule: str | None = None,
) -> Task:
    """Generated problems of the problem families, with answers that two solvers confirmed.

    Args:
        names: Families, or "all".
        difficulty: "easy" or "complex", to keep only those families.
        split: "heldout" for evaluation, or "train".
        limit: Number of problems.
        seed: Seed of the problems.
        size: About the number of variables, with the data in files; by default small problems in words.
        data_dir: Folder for the files of problems with a size; by default one that is removed at the end. Without the
            files a log cannot be scored again.
        rule: Scoring rule instead of the problems' own.
    """
    if difficulty not in ("", "easy", "complex"):
        raise ValueError(f'difficulty is {difficulty!r}; give "easy" or "complex"')
    kept = [one.name for one in choose(listed(names)) if difficulty in ("", one.difficulty)]
    if not kept:
        raise ValueError(f"names: none of these families is {difficulty}; leave out one of the two")
    folder = Path(data_dir) if data_dir else None
    if size is not None and folder is None:
        folder = Path(tempfile.mkdtemp(prefix="storm-families-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    problems = generate(kept, split=split, seed=seed, limit=limit, size=size, folder=folder)
    return evaluation("families", tuple(problems), rule)


@task
def stress(kinds: str | list[str] = "all", limit: int = 60, seed: int = 0, rule: str | None = None) -> Task:
    """Generated problems unlike any family, such as games, queues, or problems that solvers answer wrongly.

    Args:
        kinds: Kinds of stress problems, or "all", "outside" or "mixed".
        limit: Number of problems.
        seed: Seed of the problems.
        rule: Scoring rule instead of the problems' own.
    """
    return evaluation("stress", tuple(generate_stress(listed(kinds), seed=seed, limit=limit)), rule)


@task
def benchmark(
    names: str | list[str],
    data_dir: str | None = None,
    release: str | list[str] | None = None,
    limit: int | None = None,
    rule: str | None = None,
) -> Task:
    """Public test sets, such as NL4OPT or IndustryOR.

    Args:
        names: Names of the sets, as `storm benchmarks` lists them.
        data_dir: Folder with their files; by default they come from the Hugging Face Hub.
        release: The release of the labels; by default the only one in the folder, or the original.
        limit: First problems to take of each set.
        rule: Scoring rule instead of the problems' own.
    """
    folder = Path(data_dir) if data_dir else None
    loaded = load_benchmarks(listed(names), folder, releases=listed(release or []), limit=limit)
    return evaluation("benchmark", loaded.problems, rule)


def evaluation(name: str, problems: Sequence[Problem], rule: str | None) -> Task:
    """Return the task for these problems. Raises ValueError for an unknown rule."""
    if rule is not None:
        if rule not in RULES:
            raise ValueError(f"rule is {rule!r}; give one of {', '.join(RULES)}")
        problems = [replace(problem, rule=rule) for problem in problems]
    return Task(dataset=to_dataset(name, problems), solver=storm_agent(), scorer=storm_scorer())


def listed(names: str | Sequence[str]) -> list[str]:
    """Return names that are given as a list or separated by commas."""
    return [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
