"""Solve a recorded model again.

Solvers are imported on demand: HiGHS alone takes as long as solving a small model of CP-SAT.
"""

from typing import Any

import numpy

_MOST_QUADRATIC = 3000
"""Variables in quadratic terms whose convexity is decided; it takes a second."""


def resolve(model: dict[str, Any], seconds: float, solver: str = "highs") -> dict[str, Any]:
    """Return the status of the model, its objective value and its solution; for an open status also the reason.

    solver: "highs" or "scip", or "clarabel" or "scs" for convex quadratic models and for those with cones. SCIP solves
    the quadratic models that the others do not take, and CP-SAT its own models.
    """
    if model["kind"] == "cp_sat":
        return resolve_cp_sat(parsed_cp_sat(model["text"]), seconds)
    if _cross(model["lower"], model["upper"]) or _cross(model["row_lower"], model["row_upper"]):
        return {"status": "infeasible", "solver": ""}
    if model["cones"]:
        return _resolve_cones(model, seconds, "SCS" if solver == "scs" else "CLARABEL")
    if solver == "scip" or (model["quadratic"] and (model["integer"] or not is_convex(model))):
        return _resolve_scip(model, seconds)
    if solver in ("clarabel", "scs"):
        return _resolve_cones(model, seconds, solver.upper())
    return _resolve_highs(model, seconds)


def accepted(model: dict[str, Any], seconds: float, *, relaxed: bool = False) -> Any:
    """Return HiGHS with the model loaded; None if it does not accept the model, as with a variable twice in a row."""
    from . import linear

    highs = linear.loaded(model, seconds, relaxed=relaxed)
    # With its default of 1e-7, HiGHS finds unbounded quadratic models optimal.
    highs.setOptionValue("qp_regularization_value", 0.0)
    same = highs.getNumCol() == len(model["costs"]) and highs.getNumRow() == len(model["row_lower"])
    return highs if same else None


def is_convex(model: dict[str, Any]) -> bool:
    """Return whether the quadratic terms make the model convex; False for too many to know."""
    sign = -1.0 if model["maximize"] else 1.0
    if all(i == j for i, j, _ in model["quadratic"]):
        return all(sign * a >= 0.0 for _, _, a in model["quadratic"])
    places = {i: place for place, i in enumerate(sorted({i for term in model["quadratic"] for i in term[:2]}))}
    if len(places) > _MOST_QUADRATIC:
        return False
    matrix = numpy.zeros((len(places), len(places)))
    for i, j, a in model["quadratic"]:
        matrix[places[i], places[j]] += sign * a / 2
        matrix[places[j], places[i]] += sign * a / 2
    try:
        numpy.linalg.cholesky(matrix + 1e-9 * max(1e-9, numpy.abs(matrix).max()) * numpy.eye(len(places)))
    except numpy.linalg.LinAlgError:
        return False
    return True


def _cross(lower: list[float | None], upper: list[float | None]) -> bool:
    """Return whether a lower limit is above its upper one, by more than solvers tolerate."""
    pairs = zip(lower, upper, strict=True)
    return any(low is not None and high is not None and low - high > 1e-6 * max(1.0, abs(low)) for low, high in pairs)


def _open(solver: str, reason: str) -> dict[str, Any]:
    return {"status": "open", "solver": solver, "reason": reason}


def _resolve_highs(model: dict[str, Any], seconds: float) -> dict[str, Any]:
    import highspy

    from . import linear

    highs = accepted(model, seconds)
    if highs is None:
        return _open("HiGHS", "HiGHS does not accept the model")
    status = linear.solve(highs)
    if highs.getModelStatus() == highspy.HighsModelStatus.kUnboundedOrInfeasible:
        # It is unbounded if it has a solution at all.
        highs = linear.loaded({**model, "costs": [0.0] * len(model["costs"]), "quadratic": []}, seconds)
        status = linear.solve(highs)
        status = "unbounded" if status == "optimal" else status
    if status == "open":
        return _open("HiGHS", f"HiGHS ends with {highs.modelStatusToString(highs.getModelStatus())}")
    result: dict[str, Any] = {"status": status, "solver": "HiGHS"}
    if status == "optimal":
        # HiGHS leaves the constant out of a model without variables.
        result["objective"] = highs.getInfo().objective_function_value if model["costs"] else model["offset"]
        result["values"] = list(highs.getSolution().col_value)
    return result


def _resolve_scip(model: dict[str, Any], seconds: float) -> dict[str, Any]:
    import pyscipopt

    scip = pyscipopt.Model()
    scip.hideOutput()
    scip.setParam("limits/time", seconds)
    integer = set(model["integer"])
    bounds = zip(model["lower"], model["upper"], strict=True)
    x = [scip.addVar(lb=low, ub=high, vtype="I" if i in integer else "C") for i, (low, high) in enumerate(bounds)]
    starts, columns, values = model["row_starts"], model["row_columns"], model["row_values"]
    for row, (low, high) in enumerate(zip(model["row_lower"], model["row_upper"], strict=True)):
        part = range(starts[row], starts[row + 1])
        if low is None and high is None:
            continue
        if part:
            activity = pyscipopt.quicksum(values[k] * x[columns[k]] for k in part)
            scip.addCons(pyscipopt.scip.ExprCons(activity, low, high))
        elif (low or 0.0) > 1e-6 or (high or 0.0) < -1e-6:
            return {"status": "infeasible", "solver": "SCIP"}  # SCIP takes no rows without variables.
    objective = pyscipopt.quicksum(cost * x[i] for i, cost in enumerate(model["costs"]) if cost) + model["offset"]
    if model["quadratic"]:
        # SCIP's objective is linear, so a variable stands for the quadratic terms.
        terms = scip.addVar(lb=None)
        total = pyscipopt.quicksum(a * x[i] * x[j] for i, j, a in model["quadratic"])
        scip.addCons(total >= terms if model["maximize"] else total <= terms)
        objective += terms
    scip.setObjective(objective, "maximize" if model["maximize"] else "minimize")
    scip.optimize()
    status = scip.getStatus()
    if status == "inforunbd":
        scip.freeTransform()
        scip.setObjective(0.0)
        scip.optimize()
        status = "unbounded" if scip.getStatus() == "optimal" else scip.getStatus()
    if status not in ("optimal", "infeasible", "unbounded"):
        return _open("SCIP", f"SCIP ends with {status}")
    result: dict[str, Any] = {"status": status, "solver": "SCIP"}
    if status == "optimal":
        result["objective"] = scip.getObjVal()
        result["values"] = [scip.getVal(one) for one in x]
    return result


def _resolve_cones(model: dict[str, Any], seconds: float, solver: str) -> dict[str, Any]:
    if model["integer"]:
        return _open("", "no second solver for cones with integer variables")
    import cvxpy
    from scipy import sparse

    columns, rows = len(model["costs"]), len(model["row_lower"])
    matrix = sparse.csr_array((model["row_values"], model["row_columns"], model["row_starts"]), shape=(rows, columns))
    x = cvxpy.Variable(columns)
    activity = matrix @ x
    constraints = [
        constraint
        for values, low, high in (
            (x, model["lower"], model["upper"]),
            (activity, model["row_lower"], model["row_upper"]),
        )
        for constraint in _within(values, low, high)
    ]
    for cone in model["cones"]:
        constraints += _in_cone(cvxpy, cone, activity[cone["first"] : cone["first"] + cone["size"]])
    sign = -1.0 if model["maximize"] else 1.0
    objective = sign * (numpy.array(model["costs"]) @ x)
    if model["quadratic"]:
        i, j, a = (list(part) for part in zip(*model["quadratic"], strict=True))
        half = sparse.csr_array((numpy.array(a) * sign / 2, (i, j)), shape=(columns, columns))
        objective += cvxpy.quad_form(x, half + half.T)
    problem = cvxpy.Problem(cvxpy.Minimize(objective), constraints)
    limits = {"time_limit_secs": seconds, "eps": 1e-7} if solver == "SCS" else {"time_limit": seconds}
    try:
        problem.solve(solver=solver, **limits)
    except (cvxpy.error.DCPError, cvxpy.error.SolverError) as error:
        return _open(solver, f"{type(error).__name__}: {error}".partition("\n")[0][:200])
    if problem.status not in ("optimal", "infeasible", "unbounded"):
        return _open(solver, f"{solver} ends with {problem.status}")
    result: dict[str, Any] = {"status": problem.status, "solver": solver}
    if problem.status == "optimal":
        result["objective"] = sign * float(problem.value) + model["offset"]
        result["values"] = x.value.tolist()
    return result


def _within(values: Any, lower: list[float | None], upper: list[float | None]) -> Any:
    """Yield the limits on the entries of a vector as constraints of cvxpy."""
    limits = list(zip(lower, upper, strict=True))
    equal = [i for i, (low, high) in enumerate(limits) if low is not None and low == high]
    least = [i for i, (low, high) in enumerate(limits) if low is not None and low != high]
    most = [i for i, (low, high) in enumerate(limits) if high is not None and low != high]
    if equal:
        yield values[equal] == [lower[i] for i in equal]
    if least:
        yield values[least] >= [lower[i] for i in least]
    if most:
        yield values[most] <= [upper[i] for i in most]


def _in_cone(cvxpy: Any, cone: dict[str, Any], part: Any) -> Any:
    """Return the constraint that the values of some rows lie in a cone, as `env.plans.record.Cone` defines it."""
    if not cone["size"]:
        return []
    if cone["kind"] == "second_order":
        return [part[0] >= cvxpy.norm(part[1:], 2)] if cone["size"] > 1 else [part[0] >= 0]
    if cone["kind"] == "exponential":
        return [cvxpy.ExpCone(*part)]
    if cone["kind"] == "power":
        return [cvxpy.PowCone3D(*part, 0.5 if cone["exponent"] is None else cone["exponent"])]
    return [_matrix(cvxpy, part, cone["size"]) >> 0]


def _matrix(cvxpy: Any, part: Any, entries: int) -> Any:
    """Return the symmetric matrix whose lower triangle is given by columns, off-diagonal entries times sqrt(2)."""
    from scipy import sparse

    size = int((8 * entries + 1) ** 0.5 - 1) // 2
    columns, rows = numpy.triu_indices(size)
    scale = numpy.where(rows == columns, 1.0, 0.5**0.5)
    places = numpy.arange(entries)
    lower = sparse.csr_array((scale, (rows + size * columns, places)), shape=(size * size, entries))
    upper = sparse.csr_array((scale * (rows != columns), (columns + size * rows, places)), shape=(size * size, entries))
    return cvxpy.reshape((lower + upper) @ part, (size, size), order="F")


def parsed_cp_sat(text: str) -> Any:
    """Return the text of a CP-SAT model as a `CpModelProto` of Python. Raises ParseError."""
    from google.protobuf import text_format
    from ortools.sat import cp_model_pb2

    return text_format.Parse(text, cp_model_pb2.CpModelProto())


def resolve_cp_sat(proto: Any, seconds: float) -> dict[str, Any]:
    """Return the result of `resolve` for a `CpModelProto` of Python."""
    from google.protobuf import text_format
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    # The library's own parser ends the process at a wrong text, so it gets one that was parsed in Python.
    model.proto.parse_text_format(text_format.MessageToString(proto))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = seconds
    status = solver.status_name(solver.solve(model)).lower()
    if status not in ("optimal", "infeasible"):
        return _open("CP-SAT", f"CP-SAT ends with {status}")
    result: dict[str, Any] = {"status": status, "solver": "CP-SAT"}
    if status == "optimal":
        result["objective"] = solver.objective_value if model.has_objective() else None
        result["values"] = list(solver.response_proto.solution)
    return result
