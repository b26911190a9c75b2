"""Exact solution of linear programs in fractions, without tolerances, rounding or solver code.

    exact_optimum(model)        # a Fraction, "infeasible" or "unbounded"

A two-phase simplex method with Bland's rule, which guarantees termination, for models of a few dozen rows.
"""

import math
from fractions import Fraction
from typing import Literal

from storm_calm.env.problems.families.linear_model import LinearModel

Row = list[Fraction]


def exact_optimum(model: LinearModel) -> Fraction | Literal["infeasible", "unbounded"]:
    """Return the exact optimum, with floats read as printed decimals. Raises ValueError for integer variables."""
    if any(model.integer):
        raise ValueError("the model has integer variables; give a continuous model")
    size = len(model.costs)
    rows = [(_dense(row, size), _exact(low), _exact(high)) for row, low, high in model.rows]
    for index, top in enumerate(model.upper):
        rows.append((_dense({index: 1.0}, size), None, _exact(top)))
    sign = 1 if model.sense == "minimize" else -1
    found = _minimum([sign * Fraction(str(cost)) for cost in model.costs], _equalities(rows))
    return found if isinstance(found, str) else sign * found


def _dense(row: dict[int, float], size: int) -> Row:
    return [Fraction(str(row.get(index, 0))) for index in range(size)]


def _exact(bound: float) -> Fraction | None:
    return None if math.isinf(bound) else Fraction(str(bound))


def _equalities(rows: list[tuple[Row, Fraction | None, Fraction | None]]) -> list[Row]:
    """Return equality rows with slacks, the right-hand side last and never negative."""
    found: list[tuple[Row, int, Fraction]] = []
    for row, low, high in rows:
        if low is not None and low == high:
            found.append((row, 0, low))
        else:
            found += [(row, slack, side) for slack, side in ((-1, low), (1, high)) if side is not None]
    slacks = [number for number, (_, slack, _) in enumerate(found) if slack]
    system = []
    for number, (row, slack, side) in enumerate(found):
        line = [*row, *(Fraction(slack if number == other else 0) for other in slacks), side]
        system.append([-value for value in line] if side < 0 else line)
    return system


def _minimum(costs: Row, system: list[Row]) -> Fraction | Literal["infeasible", "unbounded"]:
    width, height = len(system[0]) - 1 if system else len(costs), len(system)
    artificial = [[Fraction(int(i == j)) for j in range(height)] for i in range(height)]
    table = [[*row[:-1], *extra, row[-1]] for row, extra in zip(system, artificial, strict=True)]
    basis = list(range(width, width + height))
    goal = [Fraction(int(width <= j < width + height)) for j in range(width + height + 1)]
    _price_out(goal, table, basis)
    _walk(table, goal, basis)
    if goal[-1] != 0:
        return "infeasible"
    for place, column in enumerate(basis):
        if column >= width:
            entering = next((j for j in range(width) if table[place][j]), None)
            if entering is not None:
                _pivot(table, goal, basis, place, entering)
    kept = [place for place, column in enumerate(basis) if column < width]
    table = [[*table[place][:width], table[place][-1]] for place in kept]
    basis = [basis[place] for place in kept]
    goal = [*costs, *[Fraction(0)] * (width + 1 - len(costs))]
    _price_out(goal, table, basis)
    return -goal[-1] if _walk(table, goal, basis) else "unbounded"


def _price_out(goal: Row, table: list[Row], basis: list[int]) -> None:
    for row, column in zip(table, basis, strict=True):
        if factor := goal[column]:
            goal[:] = [value - factor * other for value, other in zip(goal, row, strict=True)]


def _walk(table: list[Row], goal: Row, basis: list[int]) -> bool:
    """Pivot to the optimum; return False if the objective is unbounded."""
    while True:
        entering = next((j for j, value in enumerate(goal[:-1]) if value < 0), None)
        if entering is None:
            return True
        ratios = [(row[-1] / row[entering], basis[i], i) for i, row in enumerate(table) if row[entering] > 0]
        if not ratios:
            return False
        _pivot(table, goal, basis, min(ratios)[2], entering)


def _pivot(table: list[Row], goal: Row, basis: list[int], place: int, entering: int) -> None:
    pivot = table[place][entering]
    table[place] = [value / pivot for value in table[place]]
    for other in (*(row for i, row in enumerate(table) if i != place), goal):
        if factor := other[entering]:
            other[:] = [value - factor * base for value, base in zip(other, table[place], strict=True)]
    basis[place] = entering
