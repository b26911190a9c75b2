"""Games: the value of zero-sum games, and payoffs in equilibria of other games."""

import itertools
import random
from fractions import Fraction

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.linear_model import LinearModel, confirmed_answer
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import PRECISELY, Draft, apart, drafted
from storm_calm.env.problems.stress.exact import exact_optimum

Matrix = list[list[int]]

DUELS = (
    ("Red", "Blue", "plan", "points"),
    ("the striker", "the keeper", "move", "points"),
    ("the smuggler", "the patrol", "route", "bars of gold"),
    ("Anna", "Ben", "card", "coins"),
    ("the attacker", "the defender", "gate", "points"),
)


def zero_sum(rng: random.Random, say: Wording) -> Draft | None:
    rows, columns = rng.randint(2, 5), rng.randint(2, 5)
    payoff = [[rng.randint(-9, 20) for _ in range(columns)] for _ in range(rows)]
    value = _row_value(payoff)
    guaranteed = max(min(row) for row in payoff)
    if not apart(value, guaranteed) or abs(value) < Fraction(1, 2):
        return None  # A pure strategy must not be optimal.
    first, second, act, unit = say.one_of(*DUELS)
    line = say.one_of(
        f"{act.capitalize()} {{}} of {first} wins {{}} {unit} against {act}s 1 to {columns} of {second}.",
        f"If {first} picks {act} {{}}, the result is {{}} {unit}, one figure for each {act} of {second}.",
    )
    lines = [line.format(i, say.listing(row)) for i, row in enumerate(payoff, start=1)]
    question = say.text(
        f"{_upper(first)} has {rows} {act}s, {second} has {columns}, and both choose in secret at the same time.",
        f"What {first} wins, {second} loses; a negative figure is a loss for {first}.",
        *lines,
        say.one_of(
            f"Both may choose at random. What is the largest average win that {first} can guarantee?",
            f"Both may mix their {act}s at random. What is the value of this game for {first}?",
        ),
        say.one_of(*PRECISELY),
    )
    return drafted("zero_sum", question, value, lambda: _column_value(payoff), payoff=payoff)


def _row_value(payoff: Matrix) -> Fraction:
    """Return the exact expected win that the row player can guarantee."""
    shift = 1 - min(map(min, payoff))  # Makes all payoffs and the value positive.
    model = LinearModel("maximize")
    value = model.variable(1.0)
    chances = [model.variable() for _ in payoff]
    for column in zip(*payoff, strict=True):
        model.row({**{p: v + shift for p, v in zip(chances, column, strict=True)}, value: -1.0}, low=0.0)
    model.row(dict.fromkeys(chances, 1.0), low=1.0, high=1.0)
    found = exact_optimum(model)
    assert isinstance(found, Fraction)
    return found - shift


def _column_value(payoff: Matrix) -> AnswerKey:
    """Return the least expected loss that the column player can guarantee."""
    shift = 1 - min(map(min, payoff))
    model = LinearModel("minimize")
    value = model.variable(1.0)
    chances = [model.variable() for _ in payoff[0]]
    for row in payoff:
        model.row({**{q: v + shift for q, v in zip(chances, row, strict=True)}, value: -1.0}, high=0.0)
    model.row(dict.fromkeys(chances, 1.0), low=1.0, high=1.0)
    found = confirmed_answer(model)
    assert isinstance(found, float)
    return found - shift


def equilibrium(rng: random.Random, say: Wording) -> Draft | None:
    ours, theirs = ([[rng.randint(0, 25) for _ in range(2)] for _ in range(2)] for _ in range(2))
    if any(
        ours[i][j] >= ours[1 - i][j] and theirs[i][j] >= theirs[i][1 - j]
        for i, j in itertools.product(range(2), repeat=2)
    ):
        return None  # A pure equilibrium.
    total = _indifferent_payoff(ours) + _indifferent_payoff([list(column) for column in zip(*theirs, strict=True)])
    cooperating = max(ours[i][j] + theirs[i][j] for i in range(2) for j in range(2))
    average = Fraction(sum(map(sum, ours)) + sum(map(sum, theirs)), 4)
    if not apart(total, cooperating) or not apart(total, average):
        return None
    first, second, act, unit = say.one_of(*DUELS)
    lines = [
        f"If {first} takes {act} {i + 1} and {second} takes {act} {j + 1}, {first} gets {ours[i][j]} and {second} gets "
        f"{theirs[i][j]} {unit}."
        for i, j in itertools.product(range(2), repeat=2)
    ]
    question = say.text(
        f"{_upper(first)} and {second} have two {act}s each and choose in secret at the same time.",
        *lines,
        say.one_of(
            f"Each wants the largest average of its own. In the only Nash equilibrium, what is the expected sum "
            f"of what {first} and {second} get?",
            f"The game has a single Nash equilibrium, in mixed strategies. How many {unit} do {first} and {second} "
            "get together in it on average?",
        ),
        say.one_of(*PRECISELY),
    )
    return drafted("equilibrium", question, total, lambda: _played(ours, theirs), ours=ours, theirs=theirs)


def _indifferent_payoff(payoff: Matrix) -> Fraction:
    """Return the row player's payoff in a two-by-two game if the other player makes both rows equally good."""
    (a, b), (c, d) = payoff
    return Fraction(a * d - b * c, a - b - c + d)


def _played(ours: Matrix, theirs: Matrix) -> AnswerKey:
    """Return the sum of payoffs for mixed strategies that no pure strategy of either player beats."""
    import numpy as np

    first, second = np.array(ours, dtype=float), np.array(theirs, dtype=float)
    p = np.linalg.solve([second[:, 0] - second[:, 1], [1.0, 1.0]], [0.0, 1.0])
    q = np.linalg.solve([first[0] - first[1], [1.0, 1.0]], [0.0, 1.0])
    own, other = p @ first @ q, p @ second @ q
    steady = (first @ q).max() <= own + 1e-9 and (p @ second).max() <= other + 1e-9
    return float(own + other) if steady and min(*p, *q) >= 0 else "infeasible"


def _upper(words: str) -> str:
    return words[0].upper() + words[1:]
