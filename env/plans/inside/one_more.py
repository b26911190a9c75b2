"""What one unit more of a limit is worth in a model with whole variables, by solving it again."""

import time
from typing import Any

from . import resolve


def one_more(model: dict[str, Any], seconds: float, rows: list[int]) -> dict[str, Any]:
    """Return for each row the objective after its limit was raised by 1, and the status of that model.

    The limit is the upper one of a row that has it, else the lower one; both of an equality. seconds: for all solves.
    """
    end = time.monotonic() + seconds
    found = []
    for number, row in enumerate(rows):
        left = end - time.monotonic()
        if left <= 0.0:
            found.append({"status": "open"})
            continue
        result = resolve.resolve(_raised(model, row), left / (len(rows) - number))
        found.append({name: result[name] for name in ("status", "objective") if name in result})
    return {"rows": found}


def _raised(model: dict[str, Any], row: int) -> dict[str, Any]:
    lower, upper = list(model["row_lower"]), list(model["row_upper"])
    equality = lower[row] is not None and lower[row] == upper[row]
    if upper[row] is not None:
        upper[row] += 1.0
    if lower[row] is not None and (equality or upper[row] is None):
        lower[row] += 1.0
    return {**model, "row_lower": lower, "row_upper": upper}
