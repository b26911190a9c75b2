"""The answer of a problem with files: the objective value of an optimal plan, or "infeasible".

The linear model gives the plan, and the family's checker, which shares nothing with the model, its objective value. So
each answer has a plan behind it that the checker accepts.
"""

from dataclasses import dataclass

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.linear_model import AGREEMENT
from storm_calm.env.problems.families.scaled.optimum import proven_optimum
from storm_calm.env.problems.families.scaled.scaled_family import ScaledFamily
from storm_calm.env.problems.families.scaled.tables import Data


@dataclass(frozen=True, kw_only=True, slots=True)
class ProvenAnswer:
    """An answer with its proof."""

    answer: AnswerKey
    tolerance: float
    """The largest gap of a correct plan; the gap between the answer and the bound is not larger."""
    bound: float | None = None
    """The bound that a solver proved for all plans; None for an infeasible problem."""
    variables: int
    """The number of variables of the model."""


def proven_answer(family: ScaledFamily, data: Data) -> ProvenAnswer | None:
    """Return the answer, or None if it is not proven within the limits of the solvers.

    Raises ArithmeticError if the model and the checker disagree, or the solvers do.
    """
    model = family.model(data)
    tolerance, variables = family.gap(model), len(model.costs)
    optimum = proven_optimum(model, tolerance)
    if optimum is None:
        return None
    if optimum.status == "infeasible":
        return ProvenAnswer(answer="infeasible", tolerance=tolerance, variables=variables)
    check = family.check(data, family.plan(data, optimum.values))
    if check.violations or check.objective is None:
        raise ArithmeticError(f"{family.name}: the checker rejects the model's plan: {'; '.join(check.violations)}")
    # The incumbent of a gap may contain waste that a plan cannot express, such as a setup without production.
    best, worst = sorted((optimum.objective, optimum.bound))
    slack = AGREEMENT * max(1.0, abs(optimum.objective))
    if not best - slack <= check.objective <= worst + slack:
        raise ArithmeticError(
            f"{family.name}: the checker computes {check.objective}, but the model has {optimum.objective} with the "
            f"bound {optimum.bound}"
        )
    return ProvenAnswer(answer=float(check.objective), tolerance=tolerance, bound=optimum.bound, variables=variables)
