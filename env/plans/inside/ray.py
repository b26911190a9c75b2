"""The direction in which an unbounded linear model has no limit."""

from typing import Any

from . import linear, resolve


def ray(model: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return a direction of the variables, each in [-1, 1], along which the objective improves without a limit.

    A direction keeps every bound and row: it does not decrease what has a lower limit, nor increase what has an upper
    one. The best direction solves a linear model with these limits at 0.
    """
    if model["kind"] != "linear" or model["quadratic"] or model["cones"]:
        return {"status": "open", "reason": "only linear models have such a direction"}
    direction = {
        **model,
        "offset": 0.0,
        "integer": [],
        "lower": [-1.0 if value is None else 0.0 for value in model["lower"]],
        "upper": [1.0 if value is None else 0.0 for value in model["upper"]],
        "row_lower": [None if value is None else 0.0 for value in model["row_lower"]],
        "row_upper": [None if value is None else 0.0 for value in model["row_upper"]],
    }
    highs = resolve.accepted(direction, seconds)
    if highs is None or linear.solve(highs) != "optimal":
        return {"status": "open", "reason": "no direction was found in time"}
    gain = highs.getInfo().objective_function_value
    if abs(gain) < 1e-9:
        return {"status": "bounded"}
    return {"status": "unbounded", "gain": gain, "direction": list(highs.getSolution().col_value)}
