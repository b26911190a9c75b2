"""Problem families: seeded generators of problems with confirmed answers.

    from storm_calm.env.problems.families import generate
    for problem in generate(["all"], split="heldout", seed=7, limit=200): ...

Families are easy or complex. The hash of a problem's data determines its split, independently of seed and wording, so
the train and held-out splits never share an instance.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import count, islice

from storm_calm.env.problem import Problem
from storm_calm.env.problems.families import complex as complex_families
from storm_calm.env.problems.families import easy
from storm_calm.env.problems.families.instance import Family, Instance, choose_by_name
from storm_calm.env.problems.families.split import Split

__all__ = ["FAMILIES", "Family", "Instance", "Split", "choose", "generate", "instances"]

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


def generate(names: Sequence[str], *, split: Split, seed: int, limit: int) -> Iterator[Problem]:
    """Yield `limit` reproducible problems of the named families. Raises ValueError for an unknown family or split."""
    if split not in ("train", "heldout"):
        raise ValueError(f'unknown split "{split}"; use "train" or "heldout"')
    for instance in islice(instances(choose(names), split=split, seed=seed), limit):
        yield instance.problem()
