"""Problem families: seeded, endless sources of problems with confirmed answers.

    from storm_calm.env.problems.families import generate
    for problem in generate(["all"], split="heldout", seed=7, limit=200): ...

Two difficulties. A problem belongs to the train or the held-out split by the content of its data, whatever the seed, so
the two splits never share an instance, not even in other words.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import count, islice

from storm_calm.env.problem import Problem
from storm_calm.env.problems.families import complex as complex_families
from storm_calm.env.problems.families import easy
from storm_calm.env.problems.families.instance import Family, Instance
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
"""Every family by its name."""


def choose(names: Sequence[str]) -> list[Family]:
    """The families of these names; "all", "easy" and "complex" stand for several.

    Raises ValueError naming an unknown family and the known ones.
    """
    chosen: dict[str, Family] = {}
    for name in names:
        if name in FAMILIES:
            chosen[name] = FAMILIES[name]
        elif name in ("all", "easy", "complex"):
            chosen |= {f.name: f for f in FAMILIES.values() if name in ("all", f.difficulty)}
        else:
            raise ValueError(f'unknown family "{name}"; known: all, easy, complex, {", ".join(FAMILIES)}')
    if not chosen:
        raise ValueError(f"no family given; known: all, easy, complex, {', '.join(FAMILIES)}")
    return list(chosen.values())


def instances(families: Sequence[Family], *, split: Split, seed: int) -> Iterator[Instance]:
    """Endless instances of one split, the families in turn, no content twice."""
    seen: set[str] = set()
    for turn in count():
        for family in families:
            rng = random.Random(f"{seed}/{family.name}/{turn}")
            while (instance := family.instance(rng)).split != split or instance.content in seen:
                pass
            seen.add(instance.content)
            yield instance


def generate(names: Sequence[str], *, split: Split, seed: int, limit: int) -> Iterator[Problem]:
    """`limit` problems of the named families, the same for the same seed.

    names: families, or "all", "easy", "complex". Raises ValueError for an unknown family or split.
    """
    if split not in ("train", "heldout"):
        raise ValueError(f'unknown split "{split}"; use "train" or "heldout"')
    for instance in islice(instances(choose(names), split=split, seed=seed), limit):
        yield instance.problem()
