"""The objective and the violations of a solution in a linear or quadratic model, computed in exact order from its data.

No solver takes part, so nothing but the record's numbers is believed.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from storm_calm.env.plans.record import Cone, LinearModel, RecordedSolve


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """A limit that a solution does not keep."""

    kind: str
    """"constraint", "bound", "integrality" or "cone"."""
    name: str
    """The constraint or the variable."""
    amount: float
    """By how much, in the units of the constraint; the distance to a whole number for integrality."""
    scale: float = 1.0
    """The size of the numbers in it, at least 1: the tolerance is relative to this."""

    @property
    def relative(self) -> float:
        """The amount in relation to the scale; infinite if one of them is too large for a number."""
        share = self.amount / self.scale
        return share if math.isfinite(share) else math.inf


def objective(model: LinearModel, values: Sequence[float]) -> float:
    """Return the objective value of a solution."""
    terms = [cost * value for cost, value in zip(model.costs, values, strict=True) if cost]
    terms += [a * values[i] * values[j] for i, j, a in model.quadratic]
    return math.fsum([model.offset, *terms])


def activities(model: LinearModel, values: Sequence[float]) -> list[float]:
    """Return the value of each row."""
    return [math.fsum(a * values[i] for i, a in model.row(row)) for row in range(len(model.row_lower))]


def violations(solve: RecordedSolve, model: LinearModel, values: Sequence[float]) -> Iterator[Violation]:
    """Yield the limits that `values` do not keep, however small the amount."""
    for number, value in enumerate(values):
        amount = _outside(value, model.lower[number], model.upper[number])
        if amount > 0:
            yield Violation(kind="bound", name=solve.variable(number), amount=amount, scale=max(1.0, abs(value)))
    for number in model.integer:
        amount = abs(values[number] - round(values[number]))
        if amount > 0:
            yield Violation(kind="integrality", name=solve.variable(number), amount=amount)
    rows = activities(model, values)
    for number, value in enumerate(rows):
        lower, upper = model.row_lower[number], model.row_upper[number]
        amount = _outside(value, lower, upper)
        if amount > 0:
            sizes = [abs(a * values[i]) for i, a in model.row(number)]
            scale = max([1.0, abs(lower or 0.0), abs(upper or 0.0), *sizes])
            yield Violation(kind="constraint", name=solve.constraint(number), amount=amount, scale=scale)
    for cone in model.cones:
        part = rows[cone.first : cone.first + cone.size]
        amount = _outside_cone(cone, part)
        if amount > 0:
            scale = max([1.0, *map(abs, part)])
            yield Violation(kind="cone", name=solve.constraint(cone.first), amount=amount, scale=scale)


def _outside(value: float, lower: float | None, upper: float | None) -> float:
    """Return by how much a value lies outside of its limits; 0 inside."""
    below = 0.0 if lower is None else lower - value
    above = 0.0 if upper is None else value - upper
    return max(0.0, below, above)


def _outside_cone(cone: Cone, values: Sequence[float]) -> float:
    if cone.kind == "second_order":
        return max(0.0, math.hypot(*values[1:]) - values[0]) if values else 0.0
    if cone.kind == "exponential":
        x, y, z = values
        return max(0.0, -y, -z, _exponential(x, y) - z if y > 0 else x)
    if cone.kind == "power":
        x, y, z = values
        share = cone.exponent if cone.exponent is not None else 0.5
        return max(0.0, -x, -y, abs(z) - max(0.0, x) ** share * max(0.0, y) ** (1 - share))
    return max(0.0, -_least_eigenvalue(values))


def _exponential(x: float, y: float) -> float:
    return y * math.exp(min(700.0, x / y))


def _least_eigenvalue(triangle: Sequence[float]) -> float:
    """Return the least eigenvalue of a symmetric matrix, given as in `Cone`."""
    import numpy

    size = (math.isqrt(8 * len(triangle) + 1) - 1) // 2
    matrix = numpy.zeros((size, size))
    matrix[numpy.triu_indices(size)] = triangle  # The lower triangle by columns is the upper one by rows.
    matrix /= math.sqrt(2)
    matrix[numpy.diag_indices(size)] *= math.sqrt(2)
    return float(numpy.linalg.eigvalsh(matrix, UPLO="U")[0])
