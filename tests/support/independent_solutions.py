"""Solve stress problems independently of the generators: mostly with HiGHS, otherwise by enumeration."""

import itertools
import math
from fractions import Fraction

import numpy as np
from ortools.sat.python import cp_model
from scipy.linalg import expm
from scipy.optimize import Bounds, LinearConstraint, linprog, milp


def highs(costs, rows, *, whole=True, upper=None):
    """Return the minimum cost by HiGHS, which no generator uses. rows: coefficients by variable, low, high."""
    matrix = np.zeros((len(rows), len(costs)))
    for number, (row, _, _) in enumerate(rows):
        for index, value in row.items():
            matrix[number, index] = value
    found = milp(
        np.array(costs, dtype=float),
        constraints=LinearConstraint(matrix, [low for _, low, _ in rows], [high for _, _, high in rows]),
        integrality=np.full(len(costs), whole) if isinstance(whole, bool) else np.array(whole),
        bounds=Bounds(0, np.inf if upper is None else np.array(upper, dtype=float)),
    )
    return found.fun if found.status == 0 else {2: "infeasible", 3: "unbounded", 4: "unbounded"}[found.status]


INF = math.inf


def exact():
    """Return CP-SAT on one core. It does not change the handling of Ctrl-C."""
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.catch_sigint_signal = False
    return solver


def zero_sum(payoff):
    rows = [[-value for value in column] + [1] for column in zip(*payoff, strict=True)]
    bounds = [(0, None)] * len(payoff) + [(None, None)]
    ones = [[1] * len(payoff) + [0]]
    return -linprog([0] * len(payoff) + [-1], A_ub=rows, b_ub=[0] * len(rows), A_eq=ones, b_eq=[1], bounds=bounds).fun


def equilibrium(ours, theirs):
    # The probabilities by which each player makes the other indifferent.
    p = Fraction(theirs[1][1] - theirs[1][0], theirs[0][0] - theirs[0][1] - theirs[1][0] + theirs[1][1])
    q = Fraction(ours[1][1] - ours[0][1], ours[0][0] - ours[0][1] - ours[1][0] + ours[1][1])
    assert 0 < p < 1
    assert 0 < q < 1
    chances = [[p * q, p * (1 - q)], [(1 - p) * q, (1 - p) * (1 - q)]]
    return sum(chances[i][j] * (ours[i][j] + theirs[i][j]) for i in range(2) for j in range(2))


def best_pairs(pairs, single, values):
    """Return the maximum sum over pairs and single numbers, by CP-SAT."""
    model = cp_model.CpModel()
    chosen = [model.new_int_var_from_domain(cp_model.Domain.from_values(values), "") for _ in single]
    total = [v * x for v, x in zip(single, chosen, strict=True)]
    for i, j, w in pairs:
        both = model.new_int_var(-1, 1, "")
        model.add_multiplication_equality(both, [chosen[i - 1], chosen[j - 1]])
        total.append(w * both)
    model.maximize(sum(total))
    solver = exact()
    assert solver.solve(model) == cp_model.OPTIMAL
    return solver.objective_value


def fixed_charge(needs, arcs, build, cost, most):
    size = len(arcs)
    rows = [({a: 1, size + a: -most[a]}, -INF, 0) for a in range(size)]
    for node, need in enumerate(needs, start=1):
        row = {a: (j == node) - (i == node) for a, (i, j) in enumerate(arcs)}
        rows.append((row, need, need))
    return highs(cost + build, rows, whole=[0] * size + [1] * size, upper=[INF] * size + [1] * size)


def connecting(links, goals, most=99):
    """Yield every set of links that connects the goals and has few ends at each point."""
    best = "infeasible"
    for on in itertools.product((0, 1), repeat=len(links)):
        chosen = [link for link, one in zip(links, on, strict=True) if one]
        total = sum(length for *_, length in chosen)
        ends = [end for i, j, _ in chosen for end in (i, j)]
        if (best != "infeasible" and total >= best) or any(ends.count(end) > most for end in ends):
            continue
        reached, before = {goals[0]}, set()
        while reached != before:
            before = set(reached)
            reached |= {end for i, j, _ in chosen if i in reached or j in reached for end in (i, j)}
        if set(goals) <= reached:
            best = total
    return best


def order(chance, demand, cost, rush, salvage):
    rows = [({0: 1, 1 + 2 * s: 1, 2 + 2 * s: -1}, d, d) for s, d in enumerate(demand)]
    return highs([cost] + [v * p / 100 for p in chance for v in (rush, -salvage)], rows, whole=False)


def capacity(chance, use, cost, price, demand):
    rows = [({0: -1, 1 + 2 * s: use[0], 2 + 2 * s: use[1]}, -INF, 0) for s in range(len(demand))]
    gains = [-value * p / 100 for p in chance for value in price]
    return -highs([cost, *gains], rows, whole=False, upper=[INF, *(d for row in demand for d in row)])


def sites(chance, demand, fixed, most, ship, penalty):
    # One LP for each choice and scenario.
    totals = []
    for opened in itertools.product((0, 1), repeat=len(fixed)):
        total = sum(f for f, on in zip(fixed, opened, strict=True) if on)
        for p, (a, b) in zip(chance, demand, strict=True):
            costs = [c for row in ship for c in row] + [penalty, penalty]
            last = len(costs) - 2
            rows = [
                ({2 * i: 1, 2 * i + 1: 1}, 0, top * on) for i, (top, on) in enumerate(zip(most, opened, strict=True))
            ]
            rows += [({**{2 * i + j: 1 for i in range(len(fixed))}, last + j: 1}, d, INF) for j, d in enumerate((a, b))]
            total += p / 100 * highs(costs, rows, whole=False)
        totals.append(total)
    return min(totals)


def deviations(worth, weight, more, limit, budget):
    best = 0
    for on in itertools.product((0, 1), repeat=len(worth)):
        load = [i for i, one in enumerate(on) if one]
        worst = max(sum(more[i] for i in heavy) for heavy in itertools.combinations(range(len(worth)), budget)
                    if set(heavy) <= set(load)) if len(load) >= budget else sum(more[i] for i in load)  # fmt: skip
        if sum(weight[i] for i in load) + worst <= limit:
            best = max(best, sum(worth[i] for i in load))
    return best


def ranges(gain, drop, use, over, limit):
    rows = [(dict(enumerate(np.add(u, o))), -INF, top) for u, o, top in zip(use, over, limit, strict=True)]
    return -highs(np.subtract(drop, gain), rows, whole=False)


def scenarios(wanted, cost):
    return min(max(map(sum, zip(*rows, strict=True))) for rows in itertools.combinations(cost, wanted))


def weighted(cost, good, bad, budget, weights):
    best = [0] * (budget + 1)
    for c, g, b in zip(cost, good, bad, strict=True):
        for room in range(budget, c - 1, -1):
            best[room] = max(best[room], best[room - c] + weights[0] * g - weights[1] * b)
    return best[budget]


def ordered(skills, pay, can):
    best = {frozenset(): (0, 0)}
    for p, row in zip(pay, can, strict=True):
        for covered, (people, cost) in list(best.items()):
            union = covered | set(row)
            best[union] = min(best.get(union, (99, 0)), (people + 1, cost + p))
    found = best.get(frozenset(range(1, skills + 1)))
    return found[1] if found else "infeasible"


def limited(cost, dirt, above):
    totals = {0: 0}
    for c, d in zip(cost, dirt, strict=True):
        after = {}
        for (before, spent), (more, soot) in itertools.product(totals.items(), zip(c, d, strict=True)):
            after[before + soot] = min(after.get(before + soot, INF), spent + more)
        totals = after
    return min(spent for soot, spent in totals.items() if soot * 100 <= min(totals) * (100 + above))


def flow(arcs):
    count = 1 + max(j for _, j, _ in arcs)
    rows = [({a: (j == n) - (i == n) for a, (i, j, _) in enumerate(arcs)}, 0, 0) for n in range(1, count - 1)]
    return -highs([-(i == 0) for i, _, _ in arcs], rows, whole=False, upper=[c for *_, c in arcs])


def tour(length):
    count = len(length) + 1
    far = {(i, i + 1 + k): value for i, row in enumerate(length) for k, value in enumerate(row)}
    trips = ((0, *inner, 0) for inner in itertools.permutations(range(1, count)))
    return min(sum(far[min(step), max(step)] for step in itertools.pairwise(trip)) for trip in trips)


def path(arcs, limit):
    end = max(j for _, j, *_ in arcs)
    best = {(0, 0): 0}
    for i, j, cost, time in sorted(arcs):
        for (place, hours), spent in list(best.items()):
            if place == i and hours + time <= limit:
                key = (j, hours + time)
                best[key] = min(best.get(key, INF), spent + cost)
    return min((spent for (place, _), spent in best.items() if place == end), default="infeasible")


def cover(weight, edges):
    return highs(weight, [({i - 1: 1, j - 1: 1}, 1, INF) for i, j in edges], upper=[1] * len(weight))


def independent(weight, edges):
    return -highs([-w for w in weight], [({i - 1: 1, j - 1: 1}, -INF, 1) for i, j in edges], upper=[1] * len(weight))


def coloring(count, edges, price):
    # Count the covers of all vertices by k independent sets, by inclusion and exclusion over vertices.
    near = [sum(1 << (b if a == v else a) - 1 for a, b in edges if v in (a, b)) for v in range(1, count + 1)]
    sets = [1] * (1 << count)
    for mask in range(1, 1 << count):
        v = mask.bit_length() - 1
        sets[mask] = sets[mask ^ (1 << v)] + sets[mask & ~(1 << v) & ~near[v]]
    for colors in range(1, count + 1):
        if sum((-1) ** (count - mask.bit_count()) * sets[mask] ** colors for mask in range(1 << count)):
            return colors * price
    raise AssertionError


def queue(arrivals, rate, servers):
    """Return Erlang's loss by recursion, and the delay derived from it."""
    load, lost = arrivals / rate, 1.0
    for present in range(1, servers + 1):
        lost = load * lost / (present + load * lost)
    busy = load / servers
    return lost / (1 - busy * (1 - lost)) * busy / (1 - busy)


def servers(arrivals, rate, wage, delay, most):
    counts = [c for c in range(1, most + 1) if c * rate > arrivals]
    return min((wage * c + delay * queue(arrivals, rate, c) for c in counts), default="infeasible")


def blocking(arrivals, rate, servers, room, gain):
    rates = np.diag([float(arrivals)] * room, 1) + np.diag([rate * min(n, servers) for n in range(1, room + 1)], -1)
    rates -= np.diag(rates.sum(axis=1))
    return gain * arrivals * (1 - expm(rates * 50)[0, -1])


def horizon(time, ready, after, most=None):
    model = cp_model.CpModel()
    top = most or 1000
    starts = [model.new_int_var(r, top, "") for r in ready]
    end = model.new_int_var(0, top, "")
    model.add_no_overlap([model.new_fixed_size_interval_var(s, t, "") for s, t in zip(starts, time, strict=True)])
    for s, t, a in zip(starts, time, after, strict=True):
        model.add(s + t + a <= end)
    model.minimize(end)
    solver = exact()
    return solver.objective_value if solver.solve(model) == cp_model.OPTIMAL else "infeasible"


def scrap(good, fixed, cost, need, most=None):
    size = len(good)
    rows = [({i: 1, size + i: -(most or 100 * need / good[i])}, -INF, 0) for i in range(size)]
    rows.append(({i: g / 100 for i, g in enumerate(good)}, need, INF))
    return highs(cost + fixed, rows, whole=[0] * size + [1] * size, upper=[INF] * size + [1] * size)


def discount(need, steps, price, cheaper, fee, most=None):
    # Small order, large order, and whether a large order exists.
    size = len(steps)
    costs, rows = [], [({}, need, INF)]
    for i, (s, p, q, f) in enumerate(zip(steps, price, cheaper, fee, strict=True)):
        few, many, plain, large = range(4 * i, 4 * i + 4)
        costs += [p, q, f, f]
        rows[0][0].update({few: 1, many: 1})
        rows += [({few: 1, plain: -(most or 200)}, -INF, 0), ({many: 1, large: -(most or 200)}, -INF, 0)]
        rows.append(({many: 1, large: -s}, 0, INF))
    return highs(costs, rows, upper=[INF, INF, 1, 1] * size)


def batches(sizes, target, cost, waste, most=None):
    best = {0: 0}
    for made in range(1, target + max(sizes)):
        options = [best[made - s] + c for s, c in zip(sizes, cost, strict=True) if made - s in best]
        if options:
            best[made] = min(options)
    found = [spent + waste * (made - target) for made, spent in best.items() if target <= made <= (most or made)]
    return min(found, default="infeasible")


def lines(marks, rows, columns):
    size = len(rows)
    return highs(
        rows + columns, [({i - 1: 1, size + j - 1: 1}, 1, INF) for i, j in marks], upper=[1] * (size + len(columns))
    )


def bookings(rooms, spans, fee):
    rows = [({n: 1 for n, (a, b) in enumerate(spans) if a <= t < b}, -INF, rooms) for t in range(30)]
    return -highs([-p for p in fee], rows, upper=[1] * len(fee))


def dominoes(size, holes, price):
    cells = set(itertools.product(range(1, size[0] + 1), range(1, size[1] + 1))) - set(map(tuple, holes))
    pairs = [(a, b) for a in cells for b in ((a[0] + 1, a[1]), (a[0], a[1] + 1)) if b in cells]
    rows = [({n: 1 for n, pair in enumerate(pairs) if cell in pair}, -INF, 1) for cell in cells]
    return -price * highs([-1] * len(pairs), rows, upper=[1] * len(pairs))


def boxes(sizes, price):
    inside = [(i, j) for i, a in enumerate(sizes) for j, b in enumerate(sizes) if a[0] < b[0] and a[1] < b[1]]
    rows = [
        ({n: 1 for n, pair in enumerate(inside) if pair[side] == i}, -INF, 1)
        for i in range(len(sizes))
        for side in (0, 1)
    ]
    return price * (len(sizes) + highs([-1] * len(inside), rows, upper=[1] * len(inside)))


def closure(worth, needs):
    return -highs([-v for v in worth], [({i - 1: 1, j - 1: -1}, -INF, 0) for i, j in needs], upper=[1] * len(worth))


def walk(roads):
    count = 1 + max(i for i, _, _ in roads)
    far = [[0 if i == j else INF for j in range(count)] for i in range(count)]
    for i, j, cost in roads:
        far[i][j] = min(far[i][j], cost)
    for k, i, j in itertools.product(range(count), repeat=3):
        far[i][j] = min(far[i][j], far[i][k] + far[k][j])
    return "unbounded" if any(far[i][i] < 0 for i in range(count)) else far[0][count - 1]


def floors(probes, levels):
    reached, trials = [0] * (probes + 1), 0
    while reached[probes] < levels:
        reached = [0] + [reached[k] + reached[k - 1] + 1 for k in range(1, probes + 1)]
        trials += 1
    return trials


def product(length):
    shares = ([length // parts + (n < length % parts) for n in range(parts)] for parts in range(2, length + 1))
    return max(map(math.prod, shares))


def distance(gap, last):
    return sum(-(-len(range(first, last + 1, gap)) // 2) for first in range(1, gap + 1))


def games(players, losses, fee, least):
    # Every game is one loss: all losses of the eliminated players, and the losses that the winner may have.
    return fee * (losses * (players - 1) + (0 if least else losses - 1))


def coins(coins, fee):
    uses = 0
    while coins > 1:
        coins, uses = -(-coins // 3), uses + 1
    return uses * fee


def lot(demand, order, hold, price):
    sizes = np.linspace(1, 4 * math.sqrt(2 * demand * order / hold), 2_000_001)
    return price * demand + (order * demand / sizes + hold * sizes / 2).min()


def fence(budget, front, side):
    return max(a * (budget - front * a) / (2 * side) for a in np.linspace(0, budget / front, 100_001))


def traces(worth, weight, copies, limit, trace, allowed):
    best = {(0, Fraction(0)): 0}
    for v, w, t in zip(worth, weight, map(Fraction, trace), strict=True):
        for (load, poison), value in list(best.items()):
            for n in range(1, copies + 1):
                key = load + n * w, poison + n * t
                if key[0] <= limit and key[1] <= Fraction(allowed):
                    best[key] = max(best.get(key, 0), value + n * v)
    return max(best.values())


def exact_sum(sizes, cost, target):
    best = {Fraction(0): 0}
    for size, c in zip(map(Fraction, sizes), cost, strict=True):
        for amount, spent in list(best.items()):
            for n in range(1, int((Fraction(target) - amount) / size) + 1):
                best[amount + n * size] = min(best.get(amount + n * size, INF), spent + n * c)
    return best.get(Fraction(target), "infeasible")


def overflow(parts, sizes, cost):
    need = sum(map(Fraction, parts))
    tops = [math.ceil(need / size) for size in sizes]
    return min(
        sum(n * c for n, c in zip(numbers, cost, strict=True))
        for numbers in itertools.product(*(range(top + 1) for top in tops))
        if sum(n * s for n, s in zip(numbers, sizes, strict=True)) >= need
    )


def margin(price, sold, side, most, limit=None):
    gain = Fraction(sold) - Fraction(price)
    assert gain > 0
    return "unbounded" if limit is None else gain * limit + side * most


def speed(arrivals, price, delay):
    best = math.sqrt(delay * arrivals / price)  # The zero of the derivative.
    return price * (arrivals + best) + delay * arrivals / best


INDEPENDENT_SOLUTIONS = {
    "choice": lambda worth, pairs: best_pairs(pairs, worth, [0, 1]),
    "spins": lambda pairs, field: -best_pairs(pairs, field, [-1, 1]),
    "tables": lambda pairs, count: best_pairs(pairs, [0] * count, [-1, 1]),
    "steiner": connecting,
    "degrees": lambda links, most: connecting(links, sorted({end for i, j, _ in links for end in (i, j)}), most),
    "wait": lambda arrivals, rate, servers: 60 * queue(arrivals, rate, servers) / arrivals,
    "inside": lambda arrivals, rate, servers: queue(arrivals, rate, servers) + arrivals / rate,
    "breaks": lambda rows, columns, seconds: (rows * columns - 1) * seconds,  # Each break adds one piece.
    **{one.__name__: one for one in (
        zero_sum, equilibrium, fixed_charge, order, capacity, sites, deviations, ranges, scenarios, weighted, ordered,
        limited, flow, tour, path, cover, independent, coloring, servers, speed, blocking, horizon, scrap, discount,
        batches, lines, bookings, dominoes, boxes, closure, walk, floors, product, distance, games, coins, lot, fence,
        traces, exact_sum, overflow, margin,
    )},
}  # fmt: skip
