"""Queues with exponential times: delays by closed form, and the number of servers that costs least."""

from __future__ import annotations

import math
import random
from fractions import Fraction

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import PRECISELY, Draft, apart, draw_variant

PLACES = (
    ("A help desk", "calls", "agent"),
    ("A toll plaza", "cars", "booth"),
    ("A clinic", "patients", "doctor"),
    ("A data center", "requests", "server"),
    ("A harbor", "ships", "crane"),
)
POISSON = (
    "Arrivals are Poisson and service times are exponential.",
    "Times between arrivals and service times are exponential and independent.",
)
ONE_LINE = ("All wait in one line.", "There is one line for all.")
NO_LIMIT = (
    "The waiting room has no limit.",
    "Nobody leaves before being served, and the queue may grow without limit.",
)


def queueing(rng: random.Random) -> Draft:
    """Average delays, blocking, the best speed, and the best number of servers."""
    return draw_variant(rng, _delay, _servers, _speed, _blocking)


def _delay(rng: random.Random) -> Draft | None:
    say = Wording(rng)
    place, clients, server = say.one_of(*PLACES)
    servers, rate = rng.randint(1, 4), rng.randint(4, 30)
    arrivals = rng.randint(max(2, servers * rate // 2), servers * rate - 1)
    queue = waiting(arrivals, rate, servers)
    inside = rng.random() < 0.5
    answer = queue + Fraction(arrivals, rate) if inside else queue / arrivals * 60
    single = Fraction(arrivals**2, servers * rate * (servers * rate - arrivals))
    if servers > 1 and not apart(queue, single):
        return None  # One fast server instead of several slow ones must not give the same figure.
    question = say.text(
        f"{place} gets {say.number(arrivals)} {clients} an hour on average and has {servers} "
        f"{server}{'s' * (servers > 1)}.",
        f"{'Each' if servers > 1 else 'The'} {server} serves {rate} {clients} an hour on average.",
        say.one_of(*POISSON),
        say.one_of(*ONE_LINE),
        say.one_of(*NO_LIMIT),
        f"How many {clients} are there on average in the long run, waiting or being served?"
        if inside
        else "How many minutes does one wait on average in the long run before service begins?",
        say.one_of(*PRECISELY),
    )
    data = {"variant": "inside" if inside else "wait", "arrivals": arrivals, "rate": rate, "servers": servers}

    def confirm() -> AnswerKey:
        length = _queue_of_chain(arrivals, rate, servers)
        return length + arrivals / rate if inside else length / arrivals * 60

    return Draft(question=question, data=data, answer=answer, confirm=confirm)


def _servers(rng: random.Random) -> Draft | None:
    say = Wording(rng)
    place, clients, server = say.one_of(*PLACES)
    rate, arrivals = rng.randint(3, 20), rng.randint(20, 90)
    wage, delay, most = rng.randint(15, 60), rng.randint(10, 90), rng.randint(3, 12)
    least = arrivals // rate + 1
    if most * rate == arrivals or (least > most and rng.random() < 0.7) or least > most + 3:
        return None
    costs = [wage * c + delay * waiting(arrivals, rate, c) for c in range(least, most + 1)]
    answer: Fraction | str = min(costs, default="infeasible")
    question = say.text(
        f"{place} gets {arrivals} {clients} an hour on average; each {server} serves {rate} {clients} an hour on "
        "average.",
        say.one_of(*POISSON),
        say.one_of(*ONE_LINE),
        say.one_of(*NO_LIMIT),
        f"Each {server} costs {say.money(wage)} an hour, and each hour that one of the {clients} waits in the queue, "
        f"service not counted, costs {say.money(delay)}.",
        f"At most {most} {server}s can be hired, and in the long run the average queue must stay finite.",
        say.one_of(
            f"With the best number of {server}s, what is the average total cost per hour?",
            f"How low can the average cost per hour be with a well chosen number of {server}s?",
        ),
        say.one_of(*PRECISELY),
    )
    data = {"variant": "servers", "arrivals": arrivals, "rate": rate, "wage": wage, "delay": delay, "most": most}

    def confirm() -> AnswerKey:
        totals = [
            wage * c + delay * _queue_of_chain(arrivals, rate, c) for c in range(1, most + 1) if c * rate > arrivals
        ]
        return min(totals) if totals else "infeasible"

    if len(costs) > 1 and answer == costs[0] and rng.random() < 0.6:
        return None  # Too often the fewest possible servers would be best.
    return Draft(question=question, data=data, answer=answer, confirm=confirm)  # type: ignore[arg-type]


def _speed(rng: random.Random) -> Draft | None:
    say = Wording(rng)
    place, clients, _ = say.one_of(*PLACES)
    arrivals, price, delay = rng.randint(5, 60), rng.randint(2, 30), rng.randint(10, 200)
    question = say.text(
        f"{place} with a single line gets {arrivals} {clients} an hour on average.",
        f"Its speed, in {clients} served an hour on average, can be any real number above {arrivals}; each unit "
        f"of speed costs {say.money(price)} an hour.",
        say.one_of(*POISSON),
        say.one_of(*NO_LIMIT),
        f"Each of the {clients} costs {say.money(delay)} for each hour spent there, waiting and in service.",
        say.one_of("What is the least average cost per hour?", "Choose the best speed. What is the cost per hour?"),
        say.one_of(*PRECISELY),
    )
    answer = price * arrivals + 2 * math.sqrt(price * delay * arrivals)
    data = {"variant": "speed", "arrivals": arrivals, "price": price, "delay": delay}

    def confirm() -> AnswerKey:
        from scipy.optimize import minimize_scalar

        def cost(extra: float) -> float:
            return price * (arrivals + extra) + delay * arrivals / extra

        found = minimize_scalar(cost, bounds=(1e-3, 1e4), method="bounded", options={"xatol": 1e-10})
        return float(found.fun)

    return Draft(question=question, data=data, answer=answer, confirm=confirm)


def _blocking(rng: random.Random) -> Draft | None:
    say = Wording(rng)
    place, clients, server = say.one_of(*PLACES)
    arrivals, rate, servers = rng.randint(10, 60), rng.randint(4, 20), rng.randint(1, 4)
    room, gain = servers + rng.randint(0, 5), rng.randint(5, 80)
    weights = [Fraction(1)]
    for present in range(1, room + 1):
        weights.append(weights[-1] * Fraction(arrivals, rate * min(present, servers)))
    served = arrivals * (1 - weights[-1] / sum(weights))
    if not apart(served * gain, min(arrivals, servers * rate) * gain):
        return None
    question = say.text(
        f"{place} has {servers} {server}{'s' * (servers > 1)} and room for {room} {clients} in all, those in service "
        "included.",
        f"{say.number(arrivals)} {clients} an hour arrive on average; who finds it full is turned away for good.",
        f"{'Each' if servers > 1 else 'The'} {server} serves {rate} an hour on average.",
        say.one_of(*ONE_LINE),
        say.one_of(*POISSON),
        f"Each of the {clients} that is let in pays {say.money(gain)}.",
        say.one_of("What is the average income per hour in the long run?", "How much comes in per hour on average?"),
        say.one_of(*PRECISELY),
    )
    data = {
        "variant": "blocking", "arrivals": arrivals, "rate": rate, "servers": servers, "room": room, "gain": gain,
    }  # fmt: skip
    return Draft(
        question=question,
        data=data,
        answer=served * gain,
        confirm=lambda: gain * _admitted(arrivals, rate, servers, room),
    )


def waiting(arrivals: int, rate: int, servers: int) -> Fraction:
    """Average number in the queue of an M/M/c, by Erlang's formula. Needs arrivals < rate * servers."""
    load = Fraction(arrivals, rate)
    full = load**servers / math.factorial(servers) * servers / (servers - load)
    busy = full / (sum(load**k / math.factorial(k) for k in range(servers)) + full)
    return busy * load / (servers - load)


def _queue_of_chain(arrivals: float, rate: float, servers: int) -> float:
    """The same from the balance of the birth-death chain, cut where its states no longer matter."""
    weight = total = 1.0
    length = 0.0
    for present in range(1, 200_000):
        weight *= arrivals / (rate * min(present, servers))
        total += weight
        length += weight * max(0, present - servers)
        if present > servers and weight * present < 1e-14 * total:
            break
    return length / total


def _admitted(arrivals: float, rate: float, servers: int, room: int) -> float:
    """Arrivals an hour that are let in, from the stationary distribution of the chain's generator matrix."""
    import numpy as np

    generator = np.zeros((room + 1, room + 1))
    for present in range(room):
        generator[present, present + 1] = arrivals
        generator[present + 1, present] = rate * min(present + 1, servers)
    generator -= np.diag(generator.sum(axis=1))
    system = np.vstack([generator.T, np.ones(room + 1)])
    shares = np.linalg.lstsq(system, np.array([0.0] * (room + 1) + [1.0]), rcond=None)[0]
    return float(arrivals * (1 - shares[-1]))
