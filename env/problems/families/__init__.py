"""Problem families: seeded generators of problems with confirmed answers.

    from storm_calm.env.problems.families import generate
    for problem in generate(["all"], split="heldout", seed=7, limit=200): ...
    for problem in generate(["facility"], split="train", seed=7, limit=3, size=5000, folder=Path("problems")): ...

Families are easy or complex. The hash of a problem's data determines its split, independently of seed and wording, so
the train and held-out splits never share an instance. Small problems have all numbers in the question. Problems with a
size have them in files, and their plan is checked (`families.scaled`).
"""

import random
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path

from storm_calm.env.problem import Problem
from storm_calm.env.problems.families import complex as complex_families
from storm_calm.env.problems.families import easy
from storm_calm.env.problems.families.instance import Family, Instance, choose_by_name
from storm_calm.env.problems.families.scaled import SCALED, ScaledFamily
from storm_calm.env.problems.families.scaled.scaled_problems import scaled_problems
from storm_calm.env.problems.families.split import Split
from storm_calm.env.problems.families.tasks.task_problems import task_problems

__all__ = ["FAMILIES", "SCALED", "Family", "Instance", "ScaledFamily", "Split", "choose", "generate", "instances"]

FAMILIES: dict[str, Family] = {
    draw.__name__: Family(name=draw.__name__, difficulty="easy", draw=draw)
    for draw in (easy.product_mix, easy.knapsack, easy.diet, easy.assignment, easy.transportation, easy.investment)
} | {
    draw.__name__: Family(name=draw.__name__, difficulty="complex", draw=draw)
    for draw in (
        complex_families.production,
        complex_families.facility,
        complex_families.covering,
        complex_families.bin_packing,
        complex_families.scheduling,
        complex_families.blending,
    )
}
"""The families by name."""


def choose(names: Sequence[str]) -> list[Family]:
    """Return the families of these names, or of "all", "easy" and "complex". Raises ValueError for unknown names."""
    return choose_by_name(names, FAMILIES, ("easy", "complex"), lambda family: family.difficulty, "family")


def instances(families: Sequence[Family], *, split: Split, seed: int) -> Iterator[Instance]:
    """Yield endless distinct instances of one split, the families in turn."""
    seen: set[str] = set()
    for turn in count():
        for family in families:
            rng = random.Random(f"{seed}/{family.name}/{turn}")
            while (instance := family.instance(rng)).split != split or instance.content in seen:
                pass
            seen.add(instance.content)
            yield instance


def generate(
    names: Sequence[str],
    *,
    split: Split,
    seed: int,
    limit: int,
    size: int | None = None,
    folder: Path | None = None,
    task: str = "plan",
    variants: Sequence[str] = (),
) -> Iterator[Problem]:
    """Yield `limit` reproducible problems of the named families.

    size: about the number of variables, with the data in files; None for small problems. folder: the folder of these
    files, in which each problem has one of its own; it may have those of an earlier run. task, variants: of problems
    with a size, see `families.tasks`.
    Raises ValueError for an unknown family, split, size, task or variant, and for a folder with other files.
    """
    if split not in ("train", "heldout"):
        raise ValueError(f'unknown split "{split}"; use "train" or "heldout"')
    if size is None and (task != "plan" or variants):
        raise ValueError("tasks and variants have data in files; give their size")
    if size is None:
        for instance in islice(instances(choose(names), split=split, seed=seed), limit):
            yield instance.problem()
        return
    if folder is None:
        raise ValueError("problems with a size have files; give folder=, where to write them")
    families = choose_by_name(
        names, SCALED, ("easy", "complex"), lambda family: family.difficulty, "family of problems with a size"
    )
    if task == "plan" and not variants:
        yield from islice(scaled_problems(families, split=split, seed=seed, size=size, folder=folder), limit)
        return
    drawn = task_problems(families, task=task, variants=variants, split=split, seed=seed, size=size, folder=folder)
    yield from islice(drawn, limit)
