"""Small linear models and their optima, computed by SCIP and confirmed by CBC, which share no code."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from storm_calm.env.problem import AnswerKey

AGREEMENT = 1e-6
"""Largest relative difference between two computed optima for a confirmed answer."""


@dataclass(slots=True)
class LinearModel:
    """A mixed-integer linear model."""

    sense: Literal["minimize", "maximize"]
    costs: list[float] = field(default_factory=list)
    """Objective coefficient of each variable."""
    upper: list[float] = field(default_factory=list)
    """Upper bound of each variable; `math.inf` for none."""
    integer: list[bool] = field(default_factory=list)
    """Whether each variable is an integer."""
    rows: list[tuple[dict[int, float], float, float]] = field(default_factory=list)
    """Constraints as ({variable: coefficient}, low, high): low <= sum <= high."""

    def variable(self, cost: float = 0.0, *, upper: float = math.inf, integer: bool = False) -> int:
        """Add a variable from 0 to `upper` and return its index."""
        self.costs.append(cost)
        self.upper.append(upper)
        self.integer.append(integer)
        return len(self.costs) - 1

    def binary(self, cost: float = 0.0) -> int:
        """Add a 0/1 variable and return its index."""
        return self.variable(cost, upper=1, integer=True)

    def row(self, coefficients: dict[int, float], *, low: float = -math.inf, high: float = math.inf) -> None:
        """Add the constraint low <= sum of coefficient * variable <= high."""
        self.rows.append((coefficients, low, high))


def confirmed_answer(model: LinearModel) -> AnswerKey:
    """Return the optimum or the status that both solvers find. Raises ArithmeticError if they disagree."""
    first, second = _solve(model, "SCIP"), _solve(model, "CBC")
    if agree(first, second):
        return first
    raise ArithmeticError(f"SCIP finds {first}, but CBC finds {second}; correct the generator's model")


def agree(one: AnswerKey, other: AnswerKey) -> bool:
    """Return whether two answers are the same status, or numbers within `AGREEMENT`."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return abs(one - other) <= AGREEMENT * max(1.0, abs(one))


def loaded(model: LinearModel, engine: str) -> Any:
    """Return the OR-Tools solver of this name with the model."""
    # Imported with the first model, so that commands that need none start quickly.
    from ortools.linear_solver import pywraplp

    solver = pywraplp.Solver.CreateSolver(engine)
    if engine == "SCIP":
        # Otherwise SCIP handles Ctrl-C itself and ends its solve without a result.
        solver.SetSolverSpecificParametersAsString("misc/catchctrlc = FALSE\n")
    columns = [
        solver.Var(0.0, min(high, solver.infinity()), whole, "")
        for high, whole in zip(model.upper, model.integer, strict=True)
    ]
    for coefficients, low, high in model.rows:
        row = solver.Constraint(max(low, -solver.infinity()), min(high, solver.infinity()), "")
        for index, value in coefficients.items():
            row.SetCoefficient(columns[index], value)
    objective = solver.Objective()
    for column, cost in zip(columns, model.costs, strict=True):
        objective.SetCoefficient(column, cost)
    objective.SetOptimizationDirection(model.sense == "maximize")
    return solver


def _solve(model: LinearModel, engine: str) -> AnswerKey:
    solver = loaded(model, engine)
    status = solver.Solve()
    if status == solver.OPTIMAL:
        return float(solver.Objective().Value())
    if status == solver.UNBOUNDED:
        return "unbounded"
    if status == solver.INFEASIBLE:
        return "infeasible"
    raise ArithmeticError(f"{engine} ended with status {status}, without a result")
