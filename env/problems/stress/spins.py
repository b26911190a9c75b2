"""Pairwise interactions: quadratic binary choices (QUBO) and spins (Ising)."""

import itertools
import random
from collections.abc import Sequence

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.linear_model import LinearModel, confirmed_answer
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import Draft, apart, drafted

Pairs = list[list[int]]
"""Each pair's two numbers, from 1, and its weight."""

CHOICES = (
    ("A council decides which of {n} proposals to fund", "proposal", "funded"),
    ("A festival decides which of {n} bands to book", "band", "booked"),
    ("A museum decides which of {n} works to show", "work", "shown"),
    ("A trainer decides which of {n} players to field", "player", "fielded"),
)


def binary_choice(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(5, 10)
    worth = [rng.choice((-1, 1, 1)) * rng.randint(3, 40) for _ in range(count)]
    pairs = _pairs(rng, count, rng.uniform(0.25, 0.5), 40)
    best = max(_total(worth, pairs, choice) for choice in itertools.product((0, 1), repeat=count))
    alone = [int(value > 0) for value in worth]
    if not apart(best, _total(worth, pairs, alone)) or best <= 0:
        return None
    if rng.random() < 0.4:
        terms = [*(f"{v} x{i + 1}" for i, v in enumerate(worth)), *(f"{w} x{i} x{j}" for i, j, w in pairs)]
        question = say.text(
            say.one_of(
                f"Each of x1 to x{count} is 0 or 1.", f"There are {count} variables x1 to x{count}, all binary."
            ),
            say.one_of("Maximize", "Find the largest value of") + f" {_sum(terms)}.",
            say.one_of("What is the maximum?", "What is the largest value?"),
        )
    else:
        opening, thing, taken = say.one_of(*CHOICES)
        effects = [f"{i} and {j}: {w}" for i, j, w in pairs]
        question = say.text(
            opening.format(n=count) + ", any number of them.",
            f"On their own, {thing}s 1 to {count} are worth {say.listing(worth)} in this order.",
            f"If both {thing}s of a pair are {taken}, this is added: {'; '.join(effects)}.",
            say.one_of("Other pairs have no effect.", "No other pair matters."),
            say.one_of("What is the greatest total worth?", "How much worth can be reached at most?"),
        )

    model = LinearModel("maximize")
    chosen = [model.binary(v) for v in worth]
    for i, j, w in pairs:
        _add_product(model, w, chosen[i - 1], chosen[j - 1])
    return drafted("choice", question, best, model, worth=worth, pairs=pairs)


def _total(linear: list[int], pairs: Pairs, x: Sequence[int]) -> int:
    """Return the sum of linear_i x_i plus the sum of w x_i x_j over all pairs."""
    return sum(v * value for v, value in zip(linear, x, strict=True)) + sum(
        w * x[i - 1] * x[j - 1] for i, j, w in pairs
    )


def _add_product(model: LinearModel, weight: float, one: int, other: int) -> None:
    """Add `weight` times the product of two binary variables to the objective."""
    both = model.variable(weight, upper=1)
    model.row({both: 1.0, one: -1.0}, high=0.0)
    model.row({both: 1.0, other: -1.0}, high=0.0)
    model.row({both: 1.0, one: -1.0, other: -1.0}, low=-1.0)


TABLES = (
    ("{n} guests sit down at two tables", "guests", "table"),
    ("{n} factions join one of two camps", "factions", "camp"),
    ("{n} teams go to one of two halls", "teams", "hall"),
)


def spin_energy(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(4, 9)
    pairs = _pairs(rng, count, rng.uniform(0.35, 0.6), 12)
    as_spins = rng.random() < 0.6
    field = [rng.choice((-1, 1)) * rng.randint(1, 6) if as_spins else 0 for _ in range(count)]
    lowest = min(-_total(field, pairs, spins) for spins in itertools.product((-1, 1), repeat=count))
    as_bits = min(-_total(field, pairs, bits) for bits in itertools.product((0, 1), repeat=count))
    satisfied = -sum(abs(w) for *_, w in pairs) - sum(map(abs, field))
    if not apart(lowest, as_bits) or not apart(lowest, satisfied):
        return None  # Satisfying every pair at once must be impossible.
    listed = "; ".join(f"{i} and {j}: {w}" for i, j, w in pairs)
    if as_spins:
        question = say.text(
            f"{count} spins s1 to s{count} are each +1 or -1.",
            say.one_of("The couplings J are", "Coupled are with J") + f" {listed}; all others are 0.",
            f"The fields h of spins 1 to {count} are {say.listing(field)}.",
            "The energy is E = - (sum over coupled pairs of J_ij s_i s_j) - (sum over spins of h_i s_i).",
            say.one_of("What is the lowest energy?", "What is the energy of the ground state?"),
        )
    else:
        opening, people, table = say.one_of(*TABLES)
        question = say.text(
            opening.format(n=count) + f"; a {table} may stay empty.",
            f"Two {people} at the same {table} add this to the mood, and subtract it at different {table}s: {listed}.",
            say.one_of(f"Other pairs of {people} do not matter.", "For all other pairs it makes no difference."),
            say.one_of("What is the best possible mood?", "Maximize the mood. What is it?"),
        )

    def confirm() -> AnswerKey:
        # s = 2x - 1, so s_i s_j = 4 x_i x_j - 2 x_i - 2 x_j + 1.
        model = LinearModel("minimize")
        up = [model.binary(-2 * h) for h in field]
        for i, j, w in pairs:
            _add_product(model, -4 * w, up[i - 1], up[j - 1])
            model.costs[up[i - 1]] += 2 * w
            model.costs[up[j - 1]] += 2 * w
        found = confirmed_answer(model)
        assert isinstance(found, float)
        found += sum(field) - sum(w for *_, w in pairs)
        return found if as_spins else -found

    if as_spins:
        return drafted("spins", question, lowest, confirm, pairs=pairs, field=field)
    return drafted("tables", question, -lowest, confirm, pairs=pairs, count=count)


def _pairs(rng: random.Random, count: int, share: float, most: int) -> Pairs:
    everyone = list(itertools.combinations(range(1, count + 1), 2))
    chosen = sorted(rng.sample(everyone, max(count, round(share * len(everyone))) if count > 3 else len(everyone)))
    return [[i, j, rng.choice((-1, 1)) * rng.randint(2, most)] for i, j in chosen]


def _sum(terms: list[str]) -> str:
    return terms[0] + "".join(f" - {term[1:]}" if term.startswith("-") else f" + {term}" for term in terms[1:])
