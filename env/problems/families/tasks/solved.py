"""Data of a scaled family with an optimal plan: what revise and explain tasks start from."""

from dataclasses import dataclass

from storm_calm.env.problems.families.linear_model import LinearModel
from storm_calm.env.problems.families.scaled.optimum import Optimum, proven_optimum, with_second_solver
from storm_calm.env.problems.families.scaled.scaled_family import Plan, ScaledFamily
from storm_calm.env.problems.families.scaled.tables import Data

LP_GAP = 1e-7
"""The relative gap that programs reach without integers."""
ROUNDING = 0.005
"""The absolute error of a number with two decimals."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """Where an optimum is, between an objective value and a bound."""

    low: float
    high: float

    def __sub__(self, other: "Range") -> "Range":
        return Range(low=self.low - other.high, high=self.high - other.low)

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    def widened(self, by: float) -> "Range":
        return Range(low=self.low - by, high=self.high + by)


@dataclass(frozen=True, kw_only=True, slots=True)
class Solved:
    """Data with an optimal plan."""

    family: ScaledFamily
    data: Data
    plan: Plan
    objective: float
    """The objective value of the plan."""
    optimum: Range
    maximized: bool
    whole: bool
    """Whether the model has integers."""
    gap: float
    """The largest gap of a correct plan."""
    variables: int
    """The number of variables of the model."""

    @property
    def error(self) -> float:
        """The largest absolute error of the optimum that a program finds within the gap."""
        return (self.gap if self.whole else LP_GAP) * abs(self.objective) + ROUNDING

    @property
    def same_gap(self) -> float:
        """The largest relative difference of two optima that programs find for the same problem."""
        return 2 * self.gap if self.whole else 10 * LP_GAP


def decide(model: LinearModel) -> Optimum:
    """Return the optimum of a model without a gap, computed in this process by one solver; or "open"."""
    if contradicts_itself(model):
        return Optimum(status="infeasible")
    try:
        return with_second_solver(model, 0.0)
    except ArithmeticError:
        # SCIP ends so if it reaches its limit without a solution.
        return Optimum(status="open")


def contradicts_itself(model: LinearModel) -> bool:
    """Return whether a row requires more than it allows, about which solvers print warnings."""
    return any(low > high for _, low, high in model.rows)


def solve(family: ScaledFamily, data: Data) -> Solved | None:
    """Return the data with an optimal plan, or None if no plan is possible, or its optimality is not proven."""
    found = solve_or_prove(family, data)
    return found if isinstance(found, Solved) else None


def solve_or_prove(family: ScaledFamily, data: Data) -> Solved | bool:
    """Return the data with an optimal plan, False if no plan is possible, or True if nothing is proven.

    Raises ArithmeticError if the family's checker rejects the plan.
    """
    model = family.model(data)
    if contradicts_itself(model):
        return False
    gap = family.gap(model)
    optimum = proven_optimum(model, gap)
    if optimum is None or optimum.status == "infeasible":
        return optimum is None
    plan = family.plan(data, optimum.values)
    check = family.check(data, plan)
    if check.violations or check.objective is None:
        raise ArithmeticError(f"{family.name}: the checker rejects the plan of the model: {check.violations}")
    low, high = sorted((check.objective, optimum.bound))
    return Solved(
        family=family, data=data, plan=plan, objective=check.objective, optimum=Range(low=low, high=high),
        maximized=model.sense == "maximize", whole=any(model.integer), gap=gap, variables=len(model.costs),
    )  # fmt: skip
