"""Queues with exponential times: delays, blocking, and the cheapest service."""

import math
import random
from fractions import Fraction

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import PRECISELY, Draft, apart, drafted
from storm_calm.env.problems.stress.methods import least_value

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


def average_delay(rng: random.Random, say: Wording) -> Draft | None:
    place, clients, server = say.one_of(*PLACES)
    servers, rate = rng.randint(1, 4), rng.randint(4, 30)
    arrivals = rng.randint(max(2, servers * rate // 2), servers * rate - 1)
    queue = _waiting(arrivals, rate, servers)
    inside = rng.random() < 0.5
    answer = queue + Fraction(arrivals, rate) if inside else queue / arrivals * 60
    single = Fraction(arrivals**2, servers * rate * (servers * rate - arrivals))
    if servers > 1 and not apart(queue, single):
        return None  # One fast server instead of several slow ones must not give the answer.
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

    def confirm() -> AnswerKey:
        length = _queue_of_chain(arrivals, rate, servers)
        return length + arrivals / rate if inside else length / arrivals * 60

    variant = "inside" if inside else "wait"
    return drafted(variant, question, answer, confirm, arrivals=arrivals, rate=rate, servers=servers)


def number_of_servers(rng: random.Random, say: Wording) -> Draft | None:
    place, clients, server = say.one_of(*PLACES)
    rate, arrivals = rng.randint(3, 20), rng.randint(20, 90)
    wage, delay, most = rng.randint(15, 60), rng.randint(10, 90), rng.randint(3, 12)
    least = arrivals // rate + 1
    if most * rate == arrivals or (least > most and rng.random() < 0.7) or least > most + 3:
        return None
    costs = [wage * c + delay * _waiting(arrivals, rate, c) for c in range(least, most + 1)]
    answer: AnswerKey | Fraction = min(costs, default="infeasible")
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

    def confirm() -> AnswerKey:
        enough = [c for c in range(1, most + 1) if c * rate > arrivals]
        return min((wage * c + delay * _queue_of_chain(arrivals, rate, c) for c in enough), default="infeasible")

    if len(costs) > 1 and answer == costs[0] and rng.random() < 0.6:
        return None  # Otherwise the fewest possible servers would be optimal too often.
    numbers = {"arrivals": arrivals, "rate": rate, "wage": wage, "delay": delay, "most": most}
    return drafted("servers", question, answer, confirm, **numbers)


def best_speed(rng: random.Random, say: Wording) -> Draft | None:
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

    def confirm() -> AnswerKey:
        return least_value(lambda extra: price * (arrivals + extra) + delay * arrivals / extra, 1e-3, 1e4)

    return drafted("speed", question, answer, confirm, arrivals=arrivals, price=price, delay=delay)


def blocking(rng: random.Random, say: Wording) -> Draft | None:
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

    def confirm() -> AnswerKey:
        # The stationary distribution from the generator matrix of the birth-death chain.
        import numpy as np

        generator = np.zeros((room + 1, room + 1))
        for present in range(room):
            generator[present, present + 1] = arrivals
            generator[present + 1, present] = rate * min(present + 1, servers)
        generator -= np.diag(generator.sum(axis=1))
        system = np.vstack([generator.T, np.ones(room + 1)])
        shares = np.linalg.lstsq(system, np.array([0.0] * (room + 1) + [1.0]), rcond=None)[0]
        return float(gain * arrivals * (1 - shares[-1]))

    numbers = {"arrivals": arrivals, "rate": rate, "servers": servers, "room": room, "gain": gain}
    return drafted("blocking", question, served * gain, confirm, **numbers)


def _waiting(arrivals: int, rate: int, servers: int) -> Fraction:
    """Return the average queue length of an M/M/c queue (Erlang C) for arrivals < rate * servers."""
    load = Fraction(arrivals, rate)
    full = load**servers / math.factorial(servers) * servers / (servers - load)
    busy = full / (sum(load**k / math.factorial(k) for k in range(servers)) + full)
    return busy * load / (servers - load)


def _queue_of_chain(arrivals: float, rate: float, servers: int) -> float:
    """Return the average queue length from the truncated stationary distribution of the birth-death chain."""
    weight = total = 1.0
    length = 0.0
    for present in range(1, 200_000):
        weight *= arrivals / (rate * min(present, servers))
        total += weight
        length += weight * max(0, present - servers)
        if present > servers and weight * present < 1e-14 * total:
            break
    return length / total
