"""Problems with a closed form or a counting argument, which need no solver."""

import math
import random
from functools import cache

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import PRECISELY, Draft, drafted
from storm_calm.env.problems.stress.methods import least_value

PROBES = (("vases", "floor", "floors", "dropped from"), ("sensors", "pressure level", "pressure levels", "exposed to"))


def floors(rng: random.Random, say: Wording) -> Draft | None:
    probes, levels = rng.randint(2, 4), rng.randint(30, 400)
    trials = next(t for t in range(1, levels + 1) if sum(math.comb(t, k) for k in range(1, probes + 1)) >= levels)
    things, level, many, done = say.one_of(*PROBES)
    question = say.text(
        f"There are {levels} {many} and {probes} equal {things}.",
        f"It is to be found out which is the highest {level} that they survive, if any; what breaks at one "
        f"{level} breaks at every higher one, and what survives is as good as new.",
        f"In each trial one of the {things} is {done} one {level}; broken ones are lost.",
        say.one_of(
            "How many trials are enough in the worst case, under the best plan?",
            "What is the least number of trials that always suffices?",
        ),
    )

    def confirm() -> AnswerKey:
        worst = list(range(levels + 1))  # One probe tests the levels in ascending order.
        for _ in range(probes - 1):
            fewer, worst = worst, [0] * (levels + 1)
            for n in range(1, levels + 1):
                worst[n] = 1 + min(max(fewer[k - 1], worst[n - k]) for k in range(1, n + 1))
        return float(worst[levels])

    return drafted("floors", question, trials, confirm, probes=probes, levels=levels)


def largest_product(rng: random.Random, say: Wording) -> Draft | None:
    length = rng.randint(11, 40)
    threes, rest = divmod(length, 3)
    best = 3**threes if rest == 0 else 4 * 3 ** (threes - 1) if rest == 1 else 2 * 3**threes
    question = say.text(
        say.one_of(
            f"A rope of {length} meters is cut", f"A line of {length} seats is divided", f"{length} coins are dealt"
        )
        + " into any number of parts, at least two, each of a whole positive size.",
        say.one_of("What is the greatest product of all the sizes?", "How large can the product of the sizes be?"),
    )

    def confirm() -> AnswerKey:
        table = [0, *range(1, length + 1)]
        for size in range(2, length + 1):
            table[size] = max([size * (size < length)] + [table[k] * table[size - k] for k in range(1, size)])
        return float(table[length])

    return drafted("product", question, best, confirm, length=length)


def forbidden_distance(rng: random.Random, say: Wording) -> Draft | None:
    gap, last = rng.randint(3, 12), rng.randint(40, 120)
    blocks, rest = divmod(last, 2 * gap)
    best = blocks * gap + min(rest, gap)
    thing = say.one_of("house", "locker", "channel", "seat")
    question = say.text(
        f"There are {last} {thing}s, numbered 1 to {last}; any of them may be picked.",
        f"No two picked numbers may differ by exactly {gap}.",
        say.one_of(f"How many {thing}s can be picked at most?", f"What is the largest number of {thing}s?"),
    )

    # The graph is bipartite, so its matrix is totally unimodular.
    model = LinearModel("maximize")
    picked = [model.variable(1.0, upper=1) for _ in range(last)]
    for one in range(last - gap):
        model.row({picked[one]: 1.0, picked[one + gap]: 1.0}, high=1.0)
    return drafted("distance", question, best, model, gap=gap, last=last)


SPORTS = (("chess", "game"), ("table tennis", "match"), ("fencing", "bout"))


def tournament(rng: random.Random, say: Wording) -> Draft | None:
    players, losses, fee = rng.randint(15, 300), rng.randint(2, 4), rng.randint(3, 40)
    least = rng.random() < 0.5
    games = losses * (players - 1) if least else losses * players - 1
    sport, game = say.one_of(*SPORTS)
    extreme = "minimum" if least else "maximum"
    question = say.text(
        f"{players} players meet in a {sport} tournament; who has lost {losses} times is out, and it goes on "
        "until one is left.",
        f"Two who are still in meet in each {game}, in any order of pairings, and one of them loses.",
        f"Each {game} costs {say.money(fee)}.",
        say.one_of(f"What is the {extreme} possible total cost?", f"Find the {extreme} of the total cost."),
    )

    def confirm() -> AnswerKey:
        # Simulated: in the shortest tournament the winner never loses, in the longest it loses whenever it can.
        lost = [0] * players
        played = 0
        while len(alive := [p for p in range(players) if lost[p] < losses]) > 1:
            loser = alive[0] if not least and lost[alive[0]] < losses - 1 else alive[-1]
            lost[loser] += 1
            played += 1
        return float(played * fee)

    return drafted("games", question, games * fee, confirm, players=players, losses=losses, fee=fee, least=least)


def breaks(rng: random.Random, say: Wording) -> Draft | None:
    rows, columns, seconds = rng.randint(3, 14), rng.randint(4, 15), rng.randint(3, 19)
    thing, does = say.one_of(("bar of chocolate", "broken"), ("sheet of stamps", "torn"), ("pane of glass", "cut"))
    question = say.text(
        f"A {thing} of {rows} by {columns} squares is to be {does} into single squares.",
        "One step takes one piece and parts it in two along a straight line between squares; pieces are never stacked.",
        f"Each step takes {seconds} seconds, one after another.",
        say.one_of("What is the minimum number of seconds?", "How many seconds does it take at least?"),
    )

    @cache
    def steps(a: int, b: int) -> int:
        vertical = [1 + steps(k, b) + steps(a - k, b) for k in range(1, a)]
        horizontal = [1 + steps(a, k) + steps(a, b - k) for k in range(1, b)]
        return min(vertical + horizontal, default=0)

    def confirm() -> AnswerKey:
        return steps(rows, columns) * seconds

    best = (rows * columns - 1) * seconds
    return drafted("breaks", question, best, confirm, rows=rows, columns=columns, seconds=seconds)


def heavier_coin(rng: random.Random, say: Wording) -> Draft | None:
    coins, fee = rng.randint(10, 700), rng.randint(11, 90)
    weighings = next(n for n in range(1, 20) if 3**n >= coins)
    thing = say.one_of("coin", "pearl", "ball", "seal")
    question = say.text(
        f"Of {coins} {thing}s exactly one is heavier than the others, which are all alike.",
        f"A balance with two pans compares any two groups of {thing}s; each use costs {say.money(fee)}.",
        say.one_of(
            f"What is the minimum cost with which the heavier {thing} is found for certain?",
            f"Under the best plan, what does it cost in the worst case to find the heavier {thing}?",
        ),
    )

    def confirm() -> AnswerKey:
        worst = [0] * (coins + 1)
        for n in range(2, coins + 1):
            worst[n] = 1 + min(max(worst[k], worst[n - 2 * k]) for k in range(1, n // 2 + 1))
        return float(worst[coins] * fee)

    return drafted("coins", question, weighings * fee, confirm, coins=coins, fee=fee)


def lot_size(rng: random.Random, say: Wording) -> Draft | None:
    demand, order, hold, price = rng.randint(200, 9000), rng.randint(20, 400), rng.randint(1, 12), rng.randint(2, 30)
    goods = say.one_of("filters", "bags of cement", "tires", "reams of paper")
    question = say.text(
        f"A store sells {say.number(demand)} {goods} a year, at a steady rate, and buys them at "
        f"{say.money(price)} each.",
        f"Every order costs {say.money(order)}, whatever its size, arrives at once, and stock must not run out.",
        f"Keeping one in stock costs {say.money(hold)} a year, for the time that it lies there.",
        say.one_of(
            "Orders are of one size, any positive number. What do purchases, orders and stock cost a year at least?",
            "With the best size of order, fractions allowed, what do purchases, orders and stock cost a year?",
        ),
        say.one_of(*PRECISELY),
    )

    def confirm() -> AnswerKey:
        return least_value(lambda size: order * demand / size + hold * size / 2, 1e-3, 10.0 * demand) + price * demand

    best = math.sqrt(2 * demand * order * hold) + price * demand
    return drafted("lot", question, best, confirm, demand=demand, order=order, hold=hold, price=price)


def fence(rng: random.Random, say: Wording) -> Draft | None:
    budget, front, side = rng.randint(20, 90) * 100, rng.randint(10, 60), rng.randint(10, 60)
    place = say.one_of("meadow by a river", "yard by a wall", "field by a cliff")
    question = say.text(
        f"A rectangular {place} is fenced on three sides; the fourth needs no fence.",
        f"The side opposite to it costs {say.money(front)} a meter, the two sides next to it {say.money(side)} a "
        "meter.",
        f"There are {say.money(budget)} to spend.",
        say.one_of("What is the largest area in square meters?", "How many square meters can be enclosed at most?"),
        say.one_of(*PRECISELY),
    )

    def confirm() -> AnswerKey:
        return -least_value(lambda length: -length * (budget - front * length) / (2 * side), 0.0, budget / front)

    return drafted("fence", question, budget**2 / (8 * front * side), confirm, budget=budget, front=front, side=side)
