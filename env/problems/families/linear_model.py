"""A small linear model, and an answer that two solvers agree on.

Every generated problem carries its model. The answer in the problem is computed by SCIP and confirmed by CBC, two
solvers with no code in common; a disagreement is our own mistake and stops the generator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from ortools.linear_solver import pywraplp

from storm_calm.env.problem import AnswerKey

AGREEMENT = 1e-6
"""Largest relative difference between the two solvers' optima, above which an answer is not confirmed."""


@dataclass(slots=True)
class LinearModel:
    """A mixed-integer linear model, built variable by variable and row by row."""

    sense: Literal["minimize", "maximize"]
    """Direction of the objective."""
    costs: list[float] = field(default_factory=list)
    """Objective coefficient of each variable."""
    lower: list[float] = field(default_factory=list)
    """Lower bound of each variable."""
    upper: list[float] = field(default_factory=list)
    """Upper bound of each variable; `math.inf` for none."""
    integer: list[bool] = field(default_factory=list)
    """Whether each variable must take a whole value."""
    rows: list[tuple[dict[int, float], float, float]] = field(default_factory=list)
    """Constraints as ({variable: coefficient}, low, high): low <= sum <= high."""

    def variable(self, cost: float = 0.0, *, upper: float = math.inf, integer: bool = False) -> int:
        """Add a variable at or above 0 and return its index."""
        self.costs.append(cost)
        self.lower.append(0.0)
        self.upper.append(upper)
        self.integer.append(integer)
        return len(self.costs) - 1

    def row(self, coefficients: dict[int, float], *, low: float = -math.inf, high: float = math.inf) -> None:
        """Add the constraint low <= sum of coefficient * variable <= high."""
        self.rows.append((coefficients, low, high))


def confirmed_answer(model: LinearModel) -> AnswerKey:
    """The optimum, or "infeasible" / "unbounded", found by one solver and confirmed by another.

    Raises ArithmeticError if the two do not agree.
    """
    first, second = _solve(model, "SCIP"), _solve(model, "CBC")
    if isinstance(first, float) and isinstance(second, float):
        if abs(first - second) <= AGREEMENT * max(1.0, abs(first)):
            return first
    elif first == second:
        return first
    raise ArithmeticError(f"SCIP says {first}, CBC says {second}")


def _solve(model: LinearModel, engine: str) -> AnswerKey:
    solver = pywraplp.Solver.CreateSolver(engine)
    if engine == "SCIP":
        # Else SCIP takes Ctrl-C for itself, and its solve ends without an answer.
        solver.SetSolverSpecificParametersAsString("misc/catchctrlc = FALSE\n")
    columns = [
        solver.Var(low, min(high, solver.infinity()), whole, "")
        for low, high, whole in zip(model.lower, model.upper, model.integer, strict=True)
    ]
    for coefficients, low, high in model.rows:
        row = solver.Constraint(max(low, -solver.infinity()), min(high, solver.infinity()), "")
        for index, value in coefficients.items():
            row.SetCoefficient(columns[index], value)
    objective = solver.Objective()
    for column, cost in zip(columns, model.costs, strict=True):
        objective.SetCoefficient(column, cost)
    objective.SetOptimizationDirection(model.sense == "maximize")
    status = solver.Solve()
    if status == pywraplp.Solver.OPTIMAL:
        return float(objective.Value())
    if status == pywraplp.Solver.UNBOUNDED:
        return "unbounded"
    if status == pywraplp.Solver.INFEASIBLE:
        return "infeasible"
    raise ArithmeticError(f"{engine} ended with status {status}, which is no answer")
