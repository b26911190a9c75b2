"""Solve a recorded model again."""

from typing import Any

from . import linear


def resolve(model: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return the status of the model, its objective value and its solution, as HiGHS or CP-SAT finds them."""
    if model["kind"] == "cp_sat":
        return _resolve_cp_sat(model["text"], seconds)
    if model["cones"] or (model["quadratic"] and model["integer"]):
        return {"status": "open", "solver": "", "reason": "no second solver for this kind of model"}
    highs = linear.loaded(model, seconds)
    status = linear.solve(highs)
    result: dict[str, Any] = {"status": status, "solver": "HiGHS"}
    if status == "optimal":
        result["objective"] = highs.getInfo().objective_function_value
        result["values"] = list(highs.getSolution().col_value)
    return result


def _resolve_cp_sat(text: str, seconds: float) -> dict[str, Any]:
    from google.protobuf import text_format
    from ortools.sat import cp_model_pb2
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    # Parsing in Python first: the library's own parser ends the process at a wrong text.
    text_format.Parse(text, cp_model_pb2.CpModelProto())
    model.proto.parse_text_format(text)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = seconds
    status = solver.status_name(solver.solve(model)).lower()
    result: dict[str, Any] = {"status": status if status in ("optimal", "infeasible") else "open", "solver": "CP-SAT"}
    if status == "optimal":
        result["objective"] = solver.objective_value if model.has_objective() else None
        result["values"] = list(solver.response_proto.solution)
    return result
