"""Recording the solves of Pyomo: the model that the solver gets, and its solution, even if it was not loaded.

Fixed variables are part of the constants. Variables that no constraint and no objective contains are left out, since
solvers give them no value.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolveStatus
from storm_calm.sandbox.probe.solve_record import MAX_ENTRIES, LinearModel, NotRecordedError, SolveRecord, check_size

# Kinds of components that a `LinearModel` cannot hold, with their names.
_OTHER_PARTS = {
    "SOSConstraint": "special ordered sets",
    "Disjunction": "disjunctions",
    "LogicalConstraint": "logical constraints",
    "Complementarity": "complementarity conditions",
}


def record_solve(library: ModuleType, model: Any, results: Any, status: SolveStatus) -> SolveRecord:
    """Record a solve. library: pyomo.environ. results: the return value of `solve`; None if it raised an error."""
    unfixed = (variable for variable in model.component_data_objects(library.Var, active=True) if not variable.fixed)
    variables = list(islice(unfixed, MAX_ENTRIES + 1))
    check_size(len(variables), 0)
    constraints = list(islice(model.component_data_objects(library.Constraint, active=True), MAX_ENTRIES + 1))
    check_size(len(variables), len(constraints))
    linear, omitted = None, ""
    try:
        with _logging_disabled():
            linear, variables, constraints = _linear(library, model, variables, constraints)
    except NotRecordedError as reason:
        omitted = str(reason)
    values: dict[int, Any] = {}
    loaded = False
    if results is not None and status in ("optimal", "feasible"):
        with suppress(Exception):
            values = _unloaded_values(results, variables)
        loaded = not values
        if loaded:
            values = {id(variable): variable.value for variable in variables if not variable.stale}
    if linear is None and values:
        variables = [variable for variable in variables if id(variable) in values]
    has_duals = loaded and linear is not None and not linear.integer
    return SolveRecord(
        variables=[variable.name for variable in variables],
        values=[values.get(id(variable), math.nan) for variable in variables] if values else None,
        reduced_costs=_suffix(library, model, "rc", variables) if has_duals else None,
        constraints=[constraint.name for constraint in constraints],
        duals=_suffix(library, model, "dual", constraints) if has_duals else None,
        model=linear,
        omitted=omitted,
    )


@contextmanager
def _logging_disabled() -> Iterator[None]:
    """Suppress Pyomo's warnings about expressions, which the solve has logged already."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


def _linear(
    library: ModuleType, model: Any, variables: list[Any], constraints: list[Any]
) -> tuple[LinearModel, list[Any], list[Any]]:
    """Return the model with its variables and constraints. Raises NotRecordedError if it is not linear or quadratic."""
    from pyomo.repn.quadratic import QuadraticRepnVisitor
    from pyomo.repn.util import OrderedVarRecorder

    _check_parts(model)
    goals = list(model.component_data_objects(library.Objective, active=True))
    if len(goals) > 1:
        raise NotRecordedError("it has several active objectives")
    visitor = QuadraticRepnVisitor({}, var_recorder=OrderedVarRecorder({}, {}, None))
    goal = visitor.walk_expression(goals[0].expr if goals else 0.0)
    if goal.nonlinear is not None:
        raise NotRecordedError("it has nonlinear expressions")
    products = goal.quadratic or {}
    # The expressions contain ids of variables. The keys of this dictionary are an ordered set of them.
    used = dict.fromkeys([*goal.linear, *(number for pair in products for number in pair)])
    rows, solved, coefficients = [], [], len(products)
    for constraint in constraints:
        lower, body, upper = constraint.to_bounded_expression(True)
        row = visitor.walk_expression(body)
        if row.nonlinear is not None or row.quadratic:
            raise NotRecordedError("it has nonlinear expressions")
        lower = None if lower is None else lower - row.constant
        upper = None if upper is None else upper - row.constant
        if not row.linear and (lower or 0.0) <= 0.0 <= (upper or 0.0):
            continue  # Solvers do not get a constraint without variables that always holds.
        rows.append((row.linear, lower, upper))
        solved.append(constraint)
        used.update(dict.fromkeys(row.linear))
        coefficients += len(row.linear)
        check_size(len(variables), len(constraints), coefficients)
    columns = [variable for variable in variables if id(variable) in used]
    declared = set(map(id, columns))
    columns += [visitor.var_map[number] for number in used if number not in declared]  # of blocks outside of `model`
    position = {id(variable): place for place, variable in enumerate(columns)}
    linear = LinearModel(maximize=bool(goals) and goals[0].sense == library.maximize, offset=float(goal.constant))
    for variable in columns:
        lower, upper = variable.bounds
        cost = goal.linear.get(id(variable), 0.0)
        linear.add_variable(lower, upper, integer=not variable.is_continuous(), cost=cost)
    linear.quadratic = [(position[first], position[second], float(a)) for (first, second), a in products.items()]
    for terms, lower, upper in rows:
        linear.add_row([position[number] for number in terms], terms.values(), lower, upper)
    return linear, columns, solved


def _check_parts(model: Any) -> None:
    for block in model.block_data_objects(active=True):
        for kind in block.collect_ctypes(active=True, descend_into=False):
            name = _OTHER_PARTS.get(kind.__name__)
            if name and any(True for _ in block.component_data_objects(kind, active=True, descend_into=False)):
                raise NotRecordedError(f"it has {name}")


def _unloaded_values(results: Any, variables: list[Any]) -> dict[int, Any]:
    """Return the values by the ids of the variables, if the solve did not load them into the variables."""
    loader = getattr(results, "solution_loader", None)
    if loader is not None:  # the results of appsi or contrib.solver
        if not any(variable.stale for variable in variables):
            return {}
        found = loader.get_vars() if hasattr(loader, "get_vars") else loader.get_primals()
        return {id(variable): value for variable, value in found.items()}
    if not len(results.solution):
        return {}
    symbols = results.__dict__["_smap"].bySymbol
    found = results.solution(0).variable
    return {id(symbols[name]): entry["Value"] for name, entry in found.items() if name in symbols}


def _suffix(library: ModuleType, model: Any, name: str, parts: list[Any]) -> list[Any] | None:
    """Return the values of an active import suffix; None if the model has none of that name."""
    suffix = model.component(name)
    if suffix is None or suffix.ctype is not library.Suffix or not (suffix.active and suffix.import_enabled()):
        return None
    return [suffix.get(part) for part in parts]
