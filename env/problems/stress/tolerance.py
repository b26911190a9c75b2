"""Problems that solvers get wrong with default tolerances; the answers are computed in integers.

Solvers accept constraint and integrality violations of 1e-6 and drop coefficients below 1e-9. These problems depend on
smaller differences. They are easy after scaling by a power of ten.
"""

import itertools
import math
import random
from fractions import Fraction

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import PRECISELY, Draft, apart, drafted
from storm_calm.env.problems.stress.exact import exact_optimum

DOSES = (
    ("A feed mill fills a sack", "additives", "lead"),
    ("A pharmacy packs a box", "tablets", "benzene"),
    ("A brewer fills a tank", "extracts", "arsenic"),
)

NANO = 11
"""Decimals of the traces in kg, far below the 1e-9 at which coefficients are dropped."""


def poison(rng: random.Random, say: Wording) -> Draft | None:
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
    traces, most = [_decimal(t, NANO) for t in trace], _decimal(allowed, NANO)
    lines = [
        f"One of kind {i + 1} weighs {w} g, is worth {v} and contains {t} kg of {poison}."
        for i, (w, v, t) in enumerate(zip(weight, worth, traces, strict=True))
    ]
    question = say.text(
        f"{opening} with {count} kinds of {things}, each in whole units and at most {copies} of a kind.",
        *lines,
        f"It holds at most {limit} g in all, and not more than {most} kg of {poison}.",
        say.one_of("What is the greatest total worth?", "Maximize the total worth. What is it?"),
    )

    def confirm() -> AnswerKey:
        return _optimum(worth, [(weight, limit), (trace, allowed)], [copies] * count, maximize=True)

    numbers = {"worth": worth, "weight": weight, "copies": copies, "limit": limit, "trace": traces, "allowed": most}
    return drafted("traces", question, best, confirm, **numbers)


def _best_mix(worth: list[int], weight: list[int], trace: list[int], copies: int, limit: int, allowed: int) -> int:
    """Try every number of each kind."""
    return max(
        sum(n * v for n, v in zip(numbers, worth, strict=True))
        for numbers in itertools.product(range(copies + 1), repeat=len(worth))
        if sum(n * w for n, w in zip(numbers, weight, strict=True)) <= limit
        and sum(n * t for n, t in zip(numbers, trace, strict=True)) <= allowed
    )


WEIGHTS = (
    ("A goldsmith", "gold", "bars", "kg"),
    ("A laboratory", "a standard solution", "ampoules", "liters"),
    ("A mint", "silver", "blanks", "kg"),
)

FINE = 8
"""Decimals of sizes with exact sums: 1e-8 is within every solver's tolerance."""


def exact_sum(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(3, 4)
    # Sizes in steps of 0.05; some are off by a unit of the last decimal.
    offsets = [0] + [rng.choice((-1, -1, 0, 1, 1)) for _ in range(count - 1)]
    steps = rng.sample(range(3, 14), count)
    sizes = [n * 5 * 10 ** (FINE - 2) + off for n, off in zip(steps, rng.sample(offsets, count), strict=True)]
    cost = [rng.randint(5, 60) for _ in sizes]
    target = rng.randint(25, 50) * 5 * 10 ** (FINE - 2)
    best, careless = (_exact_cost(sizes, cost, target, slack) for slack in (0, 9))
    if careless == "infeasible" or not apart(best, careless) or (best == "infeasible" and rng.random() < 0.6):
        return None
    who, stuff, pieces, unit = say.one_of(*WEIGHTS)
    written, sum_written = [_decimal(size, FINE) for size in sizes], _decimal(target, FINE)
    lines = [
        f"Kind {i + 1} holds exactly {size} {unit} and costs {say.money(c)}."
        for i, (size, c) in enumerate(zip(written, cost, strict=True))
    ]
    question = say.text(
        f"{who} puts together exactly {sum_written} {unit} of {stuff} from whole {pieces}, any number of each kind.",
        *lines,
        say.one_of(
            "The sum must be exact to the last decimal.", f"Not even {_decimal(1, FINE)} {unit} more or less will do."
        ),
        say.one_of("What is the minimum total cost?", "How cheaply can it be done?"),
    )

    def confirm() -> AnswerKey:
        tops = [target // size for size in sizes]
        return _optimum(cost, [(sizes, target), ([-size for size in sizes], -target)], tops, maximize=False)

    return drafted("exact_sum", question, best, confirm, sizes=written, cost=cost, target=sum_written)


def _exact_cost(sizes: list[int], cost: list[int], target: int, slack: int) -> AnswerKey:
    """Return the least cost to reach the target within `slack` units of the last decimal."""
    costs = []
    for numbers in itertools.product(*(range(target // size + 2) for size in sizes[:-1])):
        left = target - sum(n * size for n, size in zip(numbers, sizes[:-1], strict=True))
        number = max(0, round(Fraction(left, sizes[-1])))
        if abs(left - number * sizes[-1]) <= slack:
            costs.append(sum(n * c for n, c in zip((*numbers, number), cost, strict=True)))
    return min(costs, default="infeasible")


FLUIDS = (("A refinery", "acid", "tanks"), ("A dairy", "cream", "barrels"), ("A laboratory", "solvent", "drums"))


def overflow(rng: random.Random, say: Wording) -> Draft | None:
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
    written = [_decimal(part, FINE) for part in parts]
    question = say.text(
        f"{who} stores {say.listing(written)} cubic meters of {fluid}, which may be mixed and split at will.",
        f"{tanks.capitalize()} come in two sizes: {small} cubic meters for {say.money(cost[0])}, and {large} "
        f"cubic meters for {say.money(cost[1])}.",
        say.one_of(
            f"Not a drop may be lost, and no {tanks[:-1]} may be filled beyond its size.",
            "Everything must find a place, to the last drop.",
        ),
        say.one_of("What is the minimum total cost?", f"What do the {tanks} cost at least?"),
    )

    def confirm() -> AnswerKey:
        tops = [total // (size * unit) + 1 for size in (small, large)]
        return _optimum(cost, [([-small * unit, -large * unit], -total)], tops, maximize=False)

    return drafted("overflow", question, best, confirm, parts=written, sizes=[small, large], cost=cost)


def _tanks(need: int, small: int, large: int, cost: list[int]) -> int:
    return min(n * cost[1] + max(0, -(-(need - n * large) // small)) * cost[0] for n in range(-(-need // large) + 1))


TRADES = (("ore", "ingots", "ton"), ("crude", "fuel", "barrel"), ("cotton", "yarn", "bale"))


def tiny_margin(rng: random.Random, say: Wording) -> Draft | None:
    cents, margin = rng.randint(200, 900), rng.randint(1, 9)
    price, sold = cents * 10**8, cents * 10**8 + margin  # In units of the tenth decimal.
    side, most = rng.randint(11, 90), rng.randint(10, 60)
    limit = rng.choice((None, rng.randint(2, 9) * 10**12))
    gain: AnswerKey | Fraction = "unbounded" if limit is None else Fraction(margin * limit, 10**10) + side * most
    buy_at, sell_at = _decimal(price, 10), _decimal(sold, 10)
    raw, made, unit = say.one_of(*TRADES)
    question = say.text(
        f"A trader buys {raw} at {buy_at} dollars a {unit} and has it turned into {made} at no further cost, one "
        f"{unit} for one {unit}.",
        f"For {made}, {sell_at} dollars a {unit} are paid.",
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

    def confirm() -> AnswerKey:
        model = LinearModel("maximize")
        top = math.inf if limit is None else float(limit)
        bought = model.variable(-float(buy_at), upper=top)
        model.row({model.variable(float(sell_at), upper=top): 1.0, bought: -1.0}, high=0.0)
        model.variable(side, upper=most)
        found = exact_optimum(model)
        return found if isinstance(found, str) else float(found)

    limits = {"limit": limit} if limit else {}
    return drafted("margin", question, gain, confirm, price=buy_at, sold=sell_at, side=side, most=most, **limits)


def _decimal(units: int, places: int) -> str:
    """Format `units` of the last of `places` decimals, without trailing zeros."""
    text = f"{units // 10**places}.{units % 10**places:0{places}d}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def _optimum(costs: list[int], rows: list[tuple[list[int], int]], tops: list[int], *, maximize: bool) -> AnswerKey:
    """Return CP-SAT's optimum over integers from 0 to `tops`, with all `rows` at most their limit."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    numbers = [model.new_int_var(0, top, "") for top in tops]
    for row, limit in rows:
        model.add(cp_model.LinearExpr.weighted_sum(numbers, row) <= limit)
    goal = cp_model.LinearExpr.weighted_sum(numbers, costs)
    model.maximize(goal) if maximize else model.minimize(goal)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    # Otherwise CP-SAT resets the handler of Ctrl-C, which would then kill this process.
    solver.parameters.catch_sigint_signal = False
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return "infeasible"
    assert status == cp_model.OPTIMAL
    return float(solver.objective_value)
