"""Problems that a solver gets wrong with its default tolerances; the answers are worked out in whole numbers.

Solvers take a row for satisfied where it is off by 1e-6, a number for whole where it is off by as much, and drop
coefficients below 1e-9. Each of these problems has its point within that. Multiplied by a power of ten, or thought
about, they are easy.
"""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import PRECISELY, Draft, apart, draw_variant
from storm_calm.env.problems.stress.exact import exact_optimum


def misleading_tolerance(rng: random.Random) -> Draft:
    """Traces of a poison, sums that must be exact, a drop too much, a tiny margin."""
    return draw_variant(rng, _traces, _exact_sum, _overflow, _margin)


DOSES = (
    ("A feed mill fills a sack", "additives", "lead"),
    ("A pharmacy packs a box", "tablets", "benzene"),
    ("A brewer fills a tank", "extracts", "arsenic"),
)

NANO = 11
"""Decimals of the traces in kg: far below the 1e-9 under which a coefficient is dropped."""


def _traces(rng: random.Random) -> Draft | None:
    say = Wording(rng)
    count, copies = rng.randint(4, 6), rng.randint(2, 3)
    worth = [rng.randint(11, 99) for _ in range(count)]
    weight = [rng.randint(10, 60) for _ in range(count)]
    trace = [rng.randint(2, 19) for _ in range(count)]
    limit = int(copies * sum(weight) * rng.uniform(0.4, 0.8))
    allowed = int(copies * sum(trace) * rng.uniform(0.25, 0.5))
    best, careless = (_best_mix(worth, weight, trace, copies, limit, top) for top in (allowed, copies * sum(trace)))
    if not apart(best, careless):
        return None
    opening, things, poison = say.one_of(*DOSES)
    lines = [
        f"One of kind {i + 1} weighs {w} g, is worth {v} and contains {decimal(t, NANO)} kg of {poison}."
        for i, (w, v, t) in enumerate(zip(weight, worth, trace, strict=True))
    ]
    question = say.text(
        f"{opening} with {count} kinds of {things}, each in whole units and at most {copies} of a kind.",
        *lines,
        f"It holds at most {limit} g in all, and not more than {decimal(allowed, NANO)} kg of {poison}.",
        say.one_of("What is the greatest total worth?", "Maximize the total worth. What is it?"),
    )
    data = {
        "variant": "traces", "worth": worth, "weight": weight, "copies": copies, "limit": limit,
        "trace": [decimal(t, NANO) for t in trace], "allowed": decimal(allowed, NANO),
    }  # fmt: skip

    def confirm() -> AnswerKey:
        rows = [(weight, limit), (trace, allowed)]
        return whole_optimum(worth, rows, [copies] * count, maximize=True)

    return Draft(question=question, data=data, answer=best, confirm=confirm)


def _best_mix(worth: list[int], weight: list[int], trace: list[int], copies: int, limit: int, allowed: int) -> int:
    """Every number of each kind, in fractions of a kg."""
    poison, top = [Fraction(t, 10**NANO) for t in trace], Fraction(allowed, 10**NANO)
    return max(
        sum(n * v for n, v in zip(numbers, worth, strict=True))
        for numbers in itertools.product(range(copies + 1), repeat=len(worth))
        if sum(n * w for n, w in zip(numbers, weight, strict=True)) <= limit
        and sum(n * p for n, p in zip(numbers, poison, strict=True)) <= top
    )


WEIGHTS = (
    ("A goldsmith", "gold", "bars", "kg"),
    ("A laboratory", "a standard solution", "ampoules", "liters"),
    ("A mint", "silver", "blanks", "kg"),
)

FINE = 8
"""Decimals of sizes that must add up exactly: 1e-8 is within every solver's tolerance."""


def _exact_sum(rng: random.Random) -> Draft | None:
    say = Wording(rng)
    count = rng.randint(3, 4)
    sizes = [steps * 5 * 10 ** (FINE - 2) + off for steps, off in _off_sizes(rng, count)]
    cost = [rng.randint(5, 60) for _ in sizes]
    target = rng.randint(25, 50) * 5 * 10 ** (FINE - 2)
    best, careless = (exact_sum(sizes, cost, target, slack) for slack in (0, 9))
    if careless == "infeasible" or not apart(best, careless) or (best == "infeasible" and rng.random() < 0.6):
        return None
    who, stuff, pieces, unit = say.one_of(*WEIGHTS)
    lines = [
        f"Kind {i + 1} holds exactly {decimal(size, FINE)} {unit} and costs {say.money(c)}."
        for i, (size, c) in enumerate(zip(sizes, cost, strict=True))
    ]
    question = say.text(
        f"{who} puts together exactly {decimal(target, FINE)} {unit} of {stuff} from whole {pieces}, any number "
        "of each kind.",
        *lines,
        say.one_of(
            "The sum must be exact to the last decimal.", f"Not even {decimal(1, FINE)} {unit} more or less will do."
        ),
        say.one_of("What is the minimum total cost?", "How cheaply can it be done?"),
    )
    data = {
        "variant": "exact_sum", "sizes": [decimal(size, FINE) for size in sizes], "cost": cost,
        "target": decimal(target, FINE),
    }  # fmt: skip

    def confirm() -> AnswerKey:
        tops = [target // size for size in sizes]
        return whole_optimum(cost, [(sizes, target), ([-size for size in sizes], -target)], tops, maximize=False)

    return Draft(question=question, data=data, answer=best, confirm=confirm)


def _off_sizes(rng: random.Random, count: int) -> list[tuple[int, int]]:
    """Sizes in steps of 0.05, and by how many units of the last decimal they are off; not all of them are."""
    offs = [0] + [rng.choice((-1, -1, 0, 1, 1)) for _ in range(count - 1)]
    return list(zip(rng.sample(range(3, 14), count), rng.sample(offs, count), strict=True))


def exact_sum(sizes: list[int], cost: list[int], target: int, slack: int) -> AnswerKey:
    """The cheapest numbers of each size that make up the target, but for `slack` units of the last decimal."""
    best: float | None = None
    for numbers in itertools.product(*(range(target // size + 2) for size in sizes[:-1])):
        left = target - sum(n * size for n, size in zip(numbers, sizes[:-1], strict=True))
        number = max(0, round(Fraction(left, sizes[-1])))
        if abs(left - number * sizes[-1]) <= slack:
            spent = float(sum(n * c for n, c in zip((*numbers, number), cost, strict=True)))
            best = spent if best is None else min(best, spent)
    return "infeasible" if best is None else best


FLUIDS = (("A refinery", "acid", "tanks"), ("A dairy", "cream", "barrels"), ("A laboratory", "solvent", "drums"))


def _overflow(rng: random.Random) -> Draft | None:
    say = Wording(rng)
    unit = 10**FINE
    parts = [rng.randint(2 * unit, 9 * unit) for _ in range(rng.randint(2, 3))]
    parts.append((rng.randint(4, 9) + len(parts)) * unit - sum(parts) % unit + rng.randint(1, 4))
    total = sum(parts)
    small, large = rng.randint(2, 3), rng.randint(4, 7)
    cost = [rng.randint(20, 50) * small, rng.randint(18, 48) * large]
    best, careless = (_tanks(need, small * unit, large * unit, cost) for need in (total, total - total % unit))
    if not apart(best, careless):
        return None
    who, fluid, tanks = say.one_of(*FLUIDS)
    question = say.text(
        f"{who} stores {say.listing([decimal(part, FINE) for part in parts])} cubic meters of {fluid}, which may "
        "be mixed and split at will.",
        f"{tanks.capitalize()} come in two sizes: {small} cubic meters for {say.money(cost[0])}, and {large} "
        f"cubic meters for {say.money(cost[1])}.",
        say.one_of(
            f"Not a drop may be lost, and no {tanks[:-1]} may be filled beyond its size.",
            "Everything must find a place, to the last drop.",
        ),
        say.one_of("What is the minimum total cost?", f"What do the {tanks} cost at least?"),
    )
    data = {
        "variant": "overflow", "parts": [decimal(part, FINE) for part in parts], "sizes": [small, large], "cost": cost,
    }  # fmt: skip

    def confirm() -> AnswerKey:
        tops = [total // (size * unit) + 1 for size in (small, large)]
        return whole_optimum(cost, [([-small * unit, -large * unit], -total)], tops, maximize=False)

    return Draft(question=question, data=data, answer=best, confirm=confirm)


def _tanks(need: int, small: int, large: int, cost: list[int]) -> int:
    return min(n * cost[1] + max(0, -(-(need - n * large) // small)) * cost[0] for n in range(-(-need // large) + 1))


TRADES = (("ore", "ingots", "ton"), ("crude", "fuel", "barrel"), ("cotton", "yarn", "bale"))


def _margin(rng: random.Random) -> Draft | None:
    say = Wording(rng)
    cents, margin = rng.randint(200, 900), rng.randint(1, 9)
    price, sold = cents * 10**8, cents * 10**8 + margin  # In units of the tenth decimal.
    side, most = rng.randint(11, 90), rng.randint(10, 60)
    limit = rng.choice((None, rng.randint(2, 9) * 10**12))
    gain: AnswerKey | Fraction = "unbounded" if limit is None else Fraction(margin * limit, 10**10) + side * most
    raw, made, unit = say.one_of(*TRADES)
    question = say.text(
        f"A trader buys {raw} at {decimal(price, 10)} dollars a {unit} and has it turned into {made} at no "
        f"further cost, one {unit} for one {unit}.",
        f"For {made}, {decimal(sold, 10)} dollars a {unit} are paid.",
        f"{raw.capitalize()} and {made} can be traded without any limit, and there is plenty of money."
        if limit is None
        else f"At most {say.number(limit)} {unit}s can be traded, and there is plenty of money.",
        f"Besides, up to {most} old machines can be sold at {say.money(side)} each.",
        say.one_of(
            "Fractions are allowed, and no cent is rounded. What is the maximum profit?",
            f"Any fraction of a {unit} can be traded, and sums are not rounded. How large can the profit be?",
        ),
        say.one_of(*PRECISELY) if limit else "",
    )
    data = {
        "variant": "margin", "price": decimal(price, 10), "sold": decimal(sold, 10), "side": side, "most": most,
        **({"limit": limit} if limit else {}),
    }  # fmt: skip

    def confirm() -> AnswerKey:
        model = LinearModel("maximize")
        top = math.inf if limit is None else float(limit)
        bought = model.variable(-float(decimal(price, 10)), upper=top)
        model.row({model.variable(float(decimal(sold, 10)), upper=top): 1.0, bought: -1.0}, high=0.0)
        model.variable(side, upper=most)
        found = exact_optimum(model)
        return found if isinstance(found, str) else float(found)

    return Draft(question=question, data=data, answer=gain, confirm=confirm)


def decimal(units: int, places: int) -> str:
    """So many units of the last of `places` decimals, written out without zeros at the end."""
    text = f"{units // 10**places}.{units % 10**places:0{places}d}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def whole_optimum(costs: list[int], rows: list[tuple[list[int], int]], tops: list[int], *, maximize: bool) -> AnswerKey:
    """The optimum over whole numbers from 0 to `tops` with all `rows` at most their limit, by CP-SAT.

    It computes in whole numbers only, so nothing is within a tolerance.
    """
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    numbers = [model.new_int_var(0, top, "") for top in tops]
    for row, limit in rows:
        model.add(cp_model.LinearExpr.weighted_sum(numbers, row) <= limit)
    goal = cp_model.LinearExpr.weighted_sum(numbers, costs)
    model.maximize(goal) if maximize else model.minimize(goal)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    # Else it would leave Ctrl-C to the system, and this process could no longer end in order.
    solver.parameters.catch_sigint_signal = False
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return "infeasible"
    assert status == cp_model.OPTIMAL
    return float(solver.objective_value)
