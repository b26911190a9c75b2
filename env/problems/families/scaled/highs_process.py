"""Solve a model with HiGHS in a process of its own.

In this process, HiGHS would print to standard output, and Ctrl-C would have no effect until the end of the solve.
"""

import json
import math
import subprocess
import sys
from itertools import accumulate
from typing import Any

from storm_calm.env.problems.families.linear_model import LinearModel

_CHILD = f"from {__name__} import main; main()"


def solve_with_highs(model: LinearModel, *, gap: float, nodes: int) -> dict[str, Any]:
    """Return the status (optimal, infeasible, unbounded, open) and, if optimal, objective, bound and values.

    gap: the relative gap that ends the search. nodes: limit of the search tree; the status is then open.
    """
    given = json.dumps({"model": _as_json(model), "gap": gap, "nodes": nodes})
    child = subprocess.run([sys.executable, "-c", _CHILD], input=given, capture_output=True, text=True)
    if child.returncode:
        raise ArithmeticError(f"HiGHS ended with code {child.returncode}: {child.stderr.strip()[-300:]}")
    return dict(json.loads(child.stdout.rstrip().rpartition("\n")[2]))


def main() -> None:
    """Solve the model on standard input. The result is the last line of the output."""
    from storm_calm.env.plans.inside import linear

    given = json.load(sys.stdin)
    # A limit in seconds would give other problems on another machine.
    highs = linear.loaded(given["model"], math.inf)
    highs.setOptionValue("mip_rel_gap", given["gap"])
    highs.setOptionValue("mip_max_nodes", given["nodes"])
    result: dict[str, Any] = {"status": linear.solve(highs)}
    if result["status"] == "optimal":
        information = highs.getInfo()
        result["objective"] = information.objective_function_value
        result["bound"] = information.mip_dual_bound if given["model"]["integer"] else result["objective"]
        result["values"] = list(highs.getSolution().col_value)
    sys.stdout.write(f"\n{json.dumps(result)}\n")


def _as_json(model: LinearModel) -> dict[str, Any]:
    """Return the model as `env.plans.inside.linear` reads it."""
    coefficients = [row for row, _, _ in model.rows]
    return {
        "maximize": model.sense == "maximize",
        "offset": 0.0,
        "costs": model.costs,
        "quadratic": [],
        "lower": [0.0] * len(model.costs),
        "upper": [_finite(one) for one in model.upper],
        "integer": [index for index, whole in enumerate(model.integer) if whole],
        "row_lower": [_finite(low) for _, low, _ in model.rows],
        "row_upper": [_finite(high) for _, _, high in model.rows],
        "row_starts": [0, *accumulate(map(len, coefficients))],
        "row_columns": [index for row in coefficients for index in row],
        "row_values": [value for row in coefficients for value in row.values()],
    }


def _finite(limit: float) -> float | None:
    return limit if math.isfinite(limit) else None
