"""The optima of large linear models, proven by HiGHS and confirmed by a second solver if that is affordable.

HiGHS gives an incumbent and a bound, and so a proven gap. A linear program of any size is solved again by GLOP, and a
model with integers and at most `CONFIRMED` variables by SCIP. They share no code with HiGHS: the optimum must be
between the incumbent and the bound of both. Of a larger model with integers, the family's checker recomputes the
incumbent (`scaled.answer`), and only its bound rests on HiGHS alone. Infeasibility is always confirmed.
"""

import math
from dataclasses import dataclass
from typing import Literal

from storm_calm.env.problems.families.linear_model import AGREEMENT, LinearModel, loaded
from storm_calm.env.problems.families.scaled.highs_process import solve_with_highs

CONFIRMED = 1000
"""The most variables of a model with integers that a second solver solves."""
MAX_NODES = 1000
"""Nodes of the search tree of a model with `BASE_SIZE` variables; fewer of a larger one, whose nodes take longer."""
BASE_SIZE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimum:
    """What a solver found: a solution and a bound, or a proof of infeasibility."""

    status: Literal["optimal", "infeasible", "open"]
    """open: no gap was proven within the limits of the search."""
    objective: float = math.nan
    """The objective value of `values`; NaN without a solution."""
    bound: float = math.nan
    """The proven bound of all objective values; NaN without one."""
    values: tuple[float, ...] = ()
    """The values of the variables."""


def proven_optimum(model: LinearModel, gap: float) -> Optimum | None:
    """Return the optimum within a relative gap, or None if it is not proven within the limits of the search.

    Raises ArithmeticError if the solvers disagree, or the model is unbounded.
    """
    first = with_highs(model, gap)
    if first.status == "open":
        return None
    if first.status == "infeasible" or not any(model.integer) or len(model.costs) <= CONFIRMED:
        second = with_second_solver(model, gap)
        if not _agree(model, first, second):
            found = f"HiGHS finds {_words(first)}, but another solver {_words(second)}"
            raise ArithmeticError(f"{found}; correct the model")
        if first.status == "infeasible" and second.status == "open":
            return None
    return first


def _agree(model: LinearModel, one: Optimum, other: Optimum) -> bool:
    """Return whether an optimum can be within both gaps."""
    if "infeasible" in (one.status, other.status):
        return {one.status, other.status} <= {"infeasible", "open"}
    sign = 1.0 if model.sense == "minimize" else -1.0
    bounds = [sign * found.bound for found in (one, other) if math.isfinite(found.bound)]
    objectives = [sign * found.objective for found in (one, other) if math.isfinite(found.objective)]
    best = min(objectives)
    return max(bounds) - best <= AGREEMENT * max(1.0, abs(best))


def _words(found: Optimum) -> str:
    return f"a solution of {found.objective} and the bound {found.bound}" if found.status == "optimal" else found.status


def _nodes(model: LinearModel) -> int:
    """Return the limit of nodes of a search tree. A limit in seconds would give other problems on another machine."""
    return max(20, MAX_NODES * BASE_SIZE // max(1, len(model.costs)))


def with_highs(model: LinearModel, gap: float) -> Optimum:
    """Solve with HiGHS. Raises ArithmeticError for an unbounded model."""
    result = solve_with_highs(model, gap=gap, nodes=_nodes(model))
    if result["status"] == "unbounded":
        raise ArithmeticError("HiGHS finds the model unbounded; correct it")
    return Optimum(**result)


def with_second_solver(model: LinearModel, gap: float) -> Optimum:
    """Solve with GLOP or, with integers, with SCIP. Raises ArithmeticError if it ends without a result."""
    from ortools.linear_solver import pywraplp

    whole = any(model.integer)
    solver = loaded(model, "SCIP" if whole else "GLOP")
    options = pywraplp.MPSolverParameters()
    if whole:
        options.SetDoubleParam(pywraplp.MPSolverParameters.RELATIVE_MIP_GAP, gap)
        solver.SetSolverSpecificParametersAsString(f"misc/catchctrlc = FALSE\nlimits/nodes = {_nodes(model)}\n")
    status = solver.Solve(options)
    if status == pywraplp.Solver.INFEASIBLE:
        return Optimum(status="infeasible")
    if status == pywraplp.Solver.NOT_SOLVED and whole:
        return Optimum(status="open")
    if status not in (pywraplp.Solver.OPTIMAL, pywraplp.Solver.FEASIBLE):
        raise ArithmeticError(f"the second solver ended with status {status}, without a result")
    objective = solver.Objective().Value()
    return Optimum(
        status="optimal" if status == pywraplp.Solver.OPTIMAL else "open",
        objective=objective,
        bound=solver.Objective().BestBound() if whole else objective,
        values=tuple(column.solution_value() for column in solver.variables()),
    )
