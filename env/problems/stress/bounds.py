"""Problems with a bound to derive: a horizon, a lot size, an amount. The obvious bound excludes the optimum."""

import itertools
import math
import random
from fractions import Fraction

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import PRECISELY, Draft, apart, drafted
from storm_calm.env.problems.stress.methods import subsets

SHOPS = (
    ("A kiln", "batches", "hours"),
    ("A berth", "ships", "hours"),
    ("A theater", "operations", "minutes"),
    ("A press", "orders", "minutes"),
)


def single_machine(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(4, 5)
    time = [rng.randint(3, 15) for _ in range(count)]
    ready = [rng.randint(0, 40) for _ in range(count)]
    after = [rng.randint(1, 40) for _ in range(count)]
    best = min(_finished(order, time, ready, after) for order in itertools.permutations(range(count)))
    by_release = _finished(tuple(sorted(range(count), key=lambda j: ready[j])), time, ready, after)
    longest = max(r + t + a for r, t, a in zip(ready, time, after, strict=True))
    # The obvious horizon is the sum of all times on the machine.
    if best <= sum(time) or best in (by_release, longest):
        return None
    place, things, unit = say.one_of(*SHOPS)
    question = say.text(
        f"{place} takes {count} {things}, one at a time and without a break in any.",
        f"They take {say.listing(time)} {unit} there.",
        f"They can begin {say.listing(ready)} {unit} from now at the earliest, and once done need "
        f"{say.listing(after)} {unit} more elsewhere, where all can be at once.",
        say.one_of(
            f"In how many {unit} from now can everything be over at the earliest?",
            f"In the best order, how many {unit} pass until all is over?",
        ),
    )

    horizon = sum(time) + max(ready)
    model = LinearModel("minimize")
    end = model.variable(1.0)
    start = [model.variable(upper=horizon) for _ in time]
    for begin, t, r, a in zip(start, time, ready, after, strict=True):
        model.row({begin: 1.0}, low=r, high=horizon - t)
        model.row({end: 1.0, begin: -1.0}, low=t + a)
    for i, j in itertools.combinations(range(count), 2):
        first = model.binary()
        model.row({start[j]: 1.0, start[i]: -1.0, first: -horizon}, low=time[i] - horizon)
        model.row({start[i]: 1.0, start[j]: -1.0, first: horizon}, low=time[j])
    return drafted("horizon", question, best, model, time=time, ready=ready, after=after)


def _finished(order: tuple[int, ...], time: list[int], ready: list[int], after: list[int]) -> int:
    now = end = 0
    for job in order:
        now = max(now, ready[job]) + time[job]
        end = max(end, now + after[job])
    return end


LINES = (("Castings", "line", "castings"), ("Chips", "fab", "chips"), ("Lenses", "shop", "lenses"))


def scrap(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(3, 5)
    good = [rng.randint(8, 19) * 5 for _ in range(count)]
    fixed = [rng.randint(200, 900) for _ in range(count)]
    cost = [rng.randint(2, 12) for _ in range(count)]
    need = rng.randint(10, 60) * 10 + rng.randint(1, 9)
    best, short = _cheapest_lines(good, fixed, cost, need, None), _cheapest_lines(good, fixed, cost, need, need)
    if not apart(best, short):
        return None  # Starting only the needed pieces must not be optimal.
    opening, line, pieces = say.one_of(*LINES)
    lines = [
        f"{line.capitalize()} {i + 1} costs {say.money(f)} to set up and {say.money(c)} for each piece started; "
        f"{g}% turn out good."
        for i, (g, f, c) in enumerate(zip(good, fixed, cost, strict=True))
    ]
    question = say.text(
        f"{opening} can be made on {count} {line}s, each of which takes any amount.",
        *lines,
        f"At least {say.number(need)} good {pieces} are needed. Fractions of a piece are allowed.",
        say.one_of("What is the minimum total cost?", "How cheaply can they be made?"),
        say.one_of(*PRECISELY),
    )
    model = LinearModel("minimize")
    started = [model.variable(c) for c in cost]
    for x, f, g in zip(started, fixed, good, strict=True):
        model.row({x: 1.0, model.binary(f): -math.ceil(100 * need / g)}, high=0.0)
    model.row(dict(zip(started, good, strict=True)), low=100 * need)
    return drafted("scrap", question, best, model, good=good, fixed=fixed, cost=cost, need=need)


def _cheapest_lines(good: list[int], fixed: list[int], cost: list[int], need: int, most: int | None) -> Fraction:
    """Try every set of lines, the cheapest good piece first. most: pieces that one line may start; None for any."""
    totals = []
    for lines in subsets(range(len(good)), smallest=1):
        left, total = Fraction(need), Fraction(sum(fixed[i] for i in lines))
        for i in sorted(lines, key=lambda i: Fraction(cost[i], good[i])):
            yielded = left if most is None else min(left, Fraction(most * good[i], 100))
            left, total = left - yielded, total + yielded * 100 * cost[i] / good[i]
        if not left:
            totals.append(total)
    return min(totals)


SELLERS = (
    ("bolts", "supplier"),
    ("liters of paint", "dealer"),
    ("kilograms of seed", "farm"),
    ("meters of cable", "vendor"),
)


def discount(rng: random.Random, say: Wording) -> Draft | None:
    count = rng.randint(2, 4)
    need = rng.randint(30, 90)
    steps = [need + rng.randint(-15, 40) for _ in range(count)]
    price = [rng.randint(20, 40) for _ in range(count)]
    cheaper = [p - rng.randint(5, 14) for p in price]
    fee = [rng.randint(20, 200) for _ in range(count)]
    offers = list(zip(steps, price, cheaper, fee, strict=True))
    best = _cheapest_orders(need, offers, largest=max(need, *steps))
    if not apart(best, _cheapest_orders(need, offers, largest=need)):
        return None  # The best plan must buy more than needed.
    goods, seller = say.one_of(*SELLERS)
    lines = [
        f"{seller.capitalize()} {i + 1} asks {say.money(p)} each, or {say.money(q)} for every one in an order of "
        f"at least {s}, and a fee of {say.money(f)} for an order of any size."
        for i, (s, p, q, f) in enumerate(offers)
    ]
    question = say.text(
        f"A firm needs at least {need} {goods}, and may order once from each of {count} {seller}s, or not at all.",
        *lines,
        say.one_of("What is left over is worth nothing but costs nothing.", "Surplus can be given away at no cost."),
        say.one_of("Only whole numbers can be ordered.", "Orders are whole numbers."),
        say.one_of("What is the minimum total cost?", "How little money is enough?"),
    )
    model = LinearModel("minimize")
    total: dict[int, float] = {}
    for s, p, q, f in offers:
        few, many = (model.variable(c, integer=True) for c in (p, q))
        plain, large = (model.binary(f) for _ in range(2))
        top = max(need, s)
        model.row({few: 1.0, plain: -top}, high=0.0)
        model.row({many: 1.0, large: -top}, high=0.0)
        model.row({many: 1.0, large: -s}, low=0.0)
        model.row({plain: 1.0, large: 1.0}, high=1.0)
        total |= {few: 1.0, many: 1.0}
    model.row(total, low=need)
    return drafted("discount", question, best, model, need=need, steps=steps, price=price, cheaper=cheaper, fee=fee)


def _cheapest_orders(need: int, offers: list[tuple[int, int, int, int]], *, largest: int) -> int:
    """Dynamic program over the amount bought. offers: step, price, lower price, fee; largest: size of one order."""
    best: dict[int, int] = {0: 0}
    for step, price, cheaper, fee in offers:
        found = dict(best)
        for bought, cost in best.items():
            for size in range(1, largest + 1):
                total = min(need, bought + size)
                new = cost + fee + size * (cheaper if size >= step else price)
                found[total] = min(new, found.get(total, new))
        best = found
    return best[need]


MACHINES = (("dough", "kneading"), ("film", "coating"), ("steel", "rolling"))


def batches(rng: random.Random, say: Wording) -> Draft | None:
    first, second, third = rng.sample(range(17, 60), 3)
    target = rng.randint(150, 400)
    cost = [rng.randint(5, 40) for _ in range(3)]
    waste = rng.randint(1, 6)
    sizes = [first, second, third]
    # Making exactly the target, if possible, must not be optimal.
    best, within = (_cheapest_mix(sizes, cost, target, waste, spare) for spare in (max(sizes) * target, 0))
    if isinstance(best, str) or best == within:
        return None
    thing, doing = say.one_of(*MACHINES)
    question = say.text(
        f"A plant needs {target} kg of {thing} or more, from batches of exactly {first}, {second} and {third} kg, "
        f"which cost {say.amounts(cost)} each for {doing}.",
        f"What is made beyond {target} kg is destroyed at {say.money(waste)} per kg.",
        say.one_of("Batches are whole.", "Only whole batches are possible."),
        say.one_of("What is the minimum total cost, destruction included?", "How low can the sum of all costs be?"),
    )
    model = LinearModel("minimize")
    made = [model.variable(c, integer=True) for c in cost]
    model.row({**dict(zip(made, sizes, strict=True)), model.variable(waste): -1.0}, low=target, high=target)
    return drafted("batches", question, best, model, sizes=sizes, target=target, cost=cost, waste=waste)


def _cheapest_mix(sizes: list[int], cost: list[int], target: int, waste: int, spare: int) -> AnswerKey:
    """Try every mix of whole batches that exceeds the target by at most `spare` kg."""
    most = [math.ceil(target / size) for size in sizes]
    totals = [
        sum(n * c for n, c in zip(numbers, cost, strict=True)) + waste * (made - target)
        for numbers in itertools.product(*(range(top + 1) for top in most))
        if 0 <= (made := sum(n * s for n, s in zip(numbers, sizes, strict=True))) - target <= spare
    ]
    return float(min(totals)) if totals else "infeasible"
