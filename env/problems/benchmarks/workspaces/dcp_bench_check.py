"""Check a printed solution of DCP-Bench-Open with the set's model: the main part of a checker's program.

    main("from cpmpy import *\\n...")      # Reads stdout.json and prints the result.

`dcp_bench` appends this call to the text of this module. It runs in a sandbox with CPMpy and without this project,
so it imports only the standard library. It decides as the set's `eval.py`: the model is solved, `variable == value` is
added for each key of the solution, and it is solved again, with the same objective value. In `eval.py` keys and values
become source text; here they stay data.
"""

import contextlib
import io
import json
import os
import re
from collections.abc import Mapping
from typing import Any

MAX_SHOWN = 80
"""Characters of a key or a value in a message."""

MAX_THREADS = 8
"""The most threads of a solve, within the sandbox's limit of processes."""

_KEY = re.compile(r"\s*([^\W\d]\w*)\s*((?:\[\s*-?\d{1,9}(?:\s*,\s*-?\d{1,9})*\s*\]\s*)*)")


def main(ground_truth: str) -> None:
    """Check the solution in stdout.json, and print the result as `env.checkers.run_checker` reads it."""
    with open("stdout.json", encoding="utf-8") as file:
        solution = json.load(file)
    remove_solver_limits()
    with contextlib.redirect_stdout(io.StringIO()):
        result = check(ground_truth, solution)
    print(json.dumps(result))  # noqa: T201


def remove_solver_limits() -> None:
    """Let CP-SAT use several threads and all of the time, as in `eval.py`.

    The sandbox sets one thread and a time limit if a program sets none. A solve that ends there has proven nothing, and
    would look as if no solution had these values. Without it the checker reaches its own time limit, which is a fault.
    """
    from ortools.sat.python.cp_model import CpSolver

    begin = CpSolver.__init__

    def init(solver: Any) -> None:
        begin(solver)
        solver.parameters.num_workers = min(MAX_THREADS, len(os.sched_getaffinity(0)))
        solver.parameters.max_time_in_seconds = float("inf")

    CpSolver.__init__ = init


def check(ground_truth: str, solution: Mapping[str, Any]) -> dict[str, Any]:
    """Return whether the model has a solution with these values, its objective value, and the best one.

    ground_truth: a program that leaves the solved model in `model`. If it fails or finds no solution, an exception is
    raised: this is a fault of the checker. Any later exception is caused by the values, and makes the plan infeasible.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(ground_truth, "ground_truth.py", "exec"), names)
    model = names["model"]
    if exit_status(model) in ("UNKNOWN", "ERROR", "UNSATISFIABLE"):
        raise RuntimeError(f"the set's model has no solution ({exit_status(model)})")
    best = objective_value(model)
    result = {"feasible": False, "objective": None, "best": best}
    for key, value in solution.items():
        try:
            model += variable(names, key) == value
        except Exception as error:
            return {**result, "violations": [f"{shown(key)} cannot be {shown(value)}: {reason(error)}"]}
    try:
        solved = model.solve()
        objective = objective_value(model) if solved and best is not None else None
    except Exception as error:
        return {**result, "violations": [f"values that no solver accepts: {reason(error)}"]}
    if not solved and exit_status(model) == "UNKNOWN":
        raise RuntimeError("the solver did not decide whether a solution has these values")
    if not solved:
        return {**result, "violations": ["no solution that meets the requirements has these values"]}
    return {"feasible": True, "objective": objective, "best": best, "violations": []}


def variable(names: Mapping[str, Any], key: str) -> Any:
    """Return what a key names: `x`, or `x[3]` and `x[0, 2]` for an element. Raises ValueError for other keys."""
    found = _KEY.fullmatch(key)
    if found is None or found[1] not in names:
        raise ValueError("the problem has no such variable")
    element = names[found[1]]
    for indices in re.findall(r"\[(.*?)\]", found[2]):
        numbers = [int(number) for number in indices.split(",")]
        element = element[numbers[0] if len(numbers) == 1 else tuple(numbers)]
    return element


def exit_status(model: Any) -> str:
    """Return the name of the status of the model's last solve, such as OPTIMAL; NOT_RUN before the first."""
    return str(model.status().exitstatus.name)


def objective_value(model: Any) -> Any:
    """Return the objective value of a solved model as a number; None for a model without an objective."""
    if getattr(model, "objective_is_min", None) is None:
        return None
    value = model.objective_value()
    return value.item() if hasattr(value, "item") else value


def shown(value: Any) -> str:
    """Return a value for a message."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def reason(error: Exception) -> str:
    """Return an exception for a message."""
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
