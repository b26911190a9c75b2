"""Recording a solve of cvxpy: the problem in the form in which cvxpy hands it to the solver.

For every solver, that form minimizes 1/2 x'Px + c'x + d such that Ax + b lies in a product of cones. A row of the zero
cone is recorded as an equality, one of the nonnegative cone as an upper limit, and the others lie in cones. Rows have
no constants, so a variable that is fixed at 1 stands for those of b in cones. Beside the program's own variables, there
are auxiliary ones, such as the value of a norm.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, product
from typing import Any

from storm_calm.sandbox.probe.program_names import program_names
from storm_calm.sandbox.probe.solve_record import LinearModel, NotRecordedError, SolveRecord, check_size, limit

_CONSTANT = "constant"  # the variable that is fixed at 1


@dataclass(slots=True)
class InnerSolve:
    """What cvxpy hands to the solver in one `Problem.solve`, and what comes back. It is empty before that."""

    problem: Any
    chain: Any = None
    """The `SolvingChain`: the steps from the problem to the solver."""
    program: Any = None
    """The `ParamConeProg`: the problem in the solver's form."""
    solution: Any = None
    """The `Solution` of the program."""


_AUTOMATIC = re.compile(r"var\d+")
"""Names that cvxpy gives."""


def record(inner: InnerSolve, *, solved: bool) -> SolveRecord:
    """Build the record. solved: whether the problem has a solution."""
    import numpy

    if inner.program is None:
        raise NotRecordedError("cvxpy did not solve it as one linear, quadratic or conic problem")
    if any(type(step).__name__ == "Dgp2Dcp" for step in inner.chain.reductions):
        raise NotRecordedError("it is a geometric program, which cvxpy solves in the logarithms of its variables")
    size = inner.program.x.size
    check_size(size, inner.program.constr_size)
    model = _model(inner)
    added = len(model.lower) - size  # 1 with the fixed variable, otherwise 0
    values = None
    if solved and inner.solution is not None and inner.solution.primal_vars:
        found = next(iter(inner.solution.primal_vars.values()))
        values = [*numpy.ravel(found)[:size].tolist(), *[1.0] * added]  # Some interfaces append variables of their own.
    return SolveRecord(
        variables=[*_variables(inner, size), *[_CONSTANT] * added],
        values=values,
        constraints=_constraints(inner, len(model.row_lower)),
        model=model,
    )


def _model(inner: InnerSolve) -> LinearModel:
    import numpy
    from scipy import sparse

    program = inner.program
    if program.P is None:
        quadratic, (costs, offset, matrix, constants) = None, program.apply_parameters()
    else:
        quadratic, costs, offset, matrix, constants = program.apply_parameters(quad_obj=True)
    variables, rows = len(costs), len(constants)
    check_size(variables, rows, matrix.nnz + (quadratic.nnz if quadratic is not None else 0))
    equalities = program.cone_dims.zero
    linear = equalities + program.cone_dims.nonneg
    cones, order, scales = _cones(inner, linear)

    # Ax + b >= 0 becomes -Ax <= b. cvxpy has negated equations already if it has formatted the program for cones.
    factors = numpy.array([-1.0] * linear + scales)
    factors[:equalities] = -1.0 if program.formatted else 1.0
    positions = [*range(linear), *order]
    matrix, constants = matrix.tocsr()[positions], factors * constants[positions]
    matrix.data *= numpy.repeat(factors, numpy.diff(matrix.indptr))
    lower, upper = _bounds(program, variables)
    if constants[linear:].any():
        column = numpy.concatenate([numpy.zeros(linear), constants[linear:]])
        matrix = sparse.hstack([matrix, sparse.csr_array(column[:, None])], format="csr")
        lower, upper, costs = [numpy.append(array, last) for array, last in ((lower, 1), (upper, 1), (costs, 0))]
    matrix.sum_duplicates()
    matrix.eliminate_zeros()

    sides = (0.0 - constants[:linear]).tolist()
    maximize = inner.problem.objective.NAME == "maximize"
    sign = -1.0 if maximize else 1.0  # cvxpy minimizes the negative.
    return LinearModel(
        maximize=maximize,
        offset=sign * float(numpy.asarray(offset).item()) + 0.0,
        costs=(sign * costs + 0.0).tolist(),
        quadratic=_quadratic(sign * quadratic) if quadratic is not None else [],
        lower=[limit(value) for value in lower.tolist()],
        upper=[limit(value) for value in upper.tolist()],
        integer=sorted({int(index[0]) for index in (*program.x.boolean_idx, *program.x.integer_idx)}),
        row_lower=[*map(limit, sides[:equalities]), *[None] * (rows - equalities)],
        row_upper=[*map(limit, sides), *[None] * (rows - linear)],
        row_starts=matrix.indptr.tolist(),
        row_columns=matrix.indices.tolist(),
        row_values=matrix.data.tolist(),
        cones=cones,
    )


def _cones(inner: InnerSolve, first: int) -> tuple[list[dict[str, Any]], list[int], list[float]]:
    """Return the cones from row `first` on, and the position in the program and the factor of each of their rows."""
    dims, solver = inner.program.cone_dims, inner.chain.solver
    if inner.program.dir_cones:
        raise NotRecordedError("it has cones of variables instead of rows")
    cones: list[dict[str, Any]] = []
    rows: list[int] = []
    factors: list[float] = []

    def add(kind: str, order: Sequence[int], exponent: float | None = None) -> None:
        start = first + len(rows)
        cones.append({"kind": kind, "first": start, "size": len(order), "exponent": exponent})
        rows.extend(start + position for position in order)

    for size in dims.soc:
        add("second_order", range(size))
    factors += [1.0] * len(rows)
    for side in dims.psd:
        order, lacking = _triangle(side, solver)
        add("positive_semidefinite", order)
        factors += lacking
    for _ in range(dims.exp):
        add("exponential", solver.EXP_CONE_ORDER)  # the positions of x, y and z
    for exponent in dims.p3d:
        add("power", range(3), float(exponent))
    for exponents in dims.pnd:
        if len(exponents) != 2:
            raise NotRecordedError("it has a power cone of more than three entries")
        add("power", range(3), float(exponents[0]))
    return cones, rows, [*factors, *[1.0] * (len(rows) - len(factors))]


def _triangle(side: int, solver: Any) -> tuple[list[int], list[float]]:
    """Return where the solver has the lower triangle of a matrix, by columns, and the factors that its entries lack."""
    import numpy

    columns, rows = numpy.triu_indices(side)
    kind = getattr(solver.PSD_TRIANGLE_KIND, "name", None)
    if kind == "LOWER":
        order = numpy.arange(len(rows))
    elif kind == "UPPER":
        order = rows * (rows + 1) // 2 + columns  # The upper triangle by columns is the lower one by rows.
    else:
        raise NotRecordedError(f"{solver.name()} has an unknown form of semidefinite matrices")
    scale = 1.0 if solver.PSD_SQRT2_SCALING else math.sqrt(2)
    return order.tolist(), numpy.where(rows == columns, 1.0, scale).tolist()


def _bounds(program: Any, many: int) -> tuple[Any, Any]:
    """Return the arrays of the lower and the upper bounds of the variables."""
    import numpy

    given = ((program.lower_bounds, -math.inf), (program.upper_bounds, math.inf))
    lower, upper = (
        numpy.full(many, free) if array is None else numpy.array(array, dtype=float) for array, free in given
    )
    binary = [int(index[0]) for index in program.x.boolean_idx]
    lower[binary] = numpy.maximum(lower[binary], 0)
    upper[binary] = numpy.minimum(upper[binary], 1)
    return lower, upper


def _quadratic(matrix: Any) -> list[tuple[int, int, float]]:
    """Return the terms of 1/2 x'Px."""
    import numpy
    from scipy import sparse

    upper = sparse.triu(matrix).tocoo()
    values = upper.data * numpy.where(upper.row == upper.col, 0.5, 1.0)
    terms = zip(upper.row.tolist(), upper.col.tolist(), values.tolist(), strict=True)
    return [term for term in terms if term[2]]


def _variables(inner: InnerSolve, many: int) -> list[str]:
    """Return a name for each variable of the solver: that of the program with its index, or one with a number."""
    names = [""] * many
    replaced = inner.chain.compose_var_id_map()
    variables = inner.problem.variables()
    own: dict[Any, str] = {}
    if any(_AUTOMATIC.fullmatch(variable.name()) for variable in variables):
        own = program_names(tuple({type(variable) for variable in variables}), lambda variable: variable.id)
    for variable in variables:
        ids = replaced.get(variable.id, [variable.id])
        first = inner.program.var_id_to_col.get(ids[0])
        if first is not None and len(ids) == 1 and not variable.is_complex():
            size = inner.program.id_to_var[ids[0]].size
            given = variable.name()
            name = own.get(variable.id, given) if _AUTOMATIC.fullmatch(given) else given
            found = [_indexed(name, index) for index in _indices(variable)]
            if len(found) == size:
                names[first : first + size] = found
    return _numbered(names, "auxiliary")


def _indices(variable: Any) -> Iterable[Sequence[int]]:
    """Return the indices of those entries of a variable that cvxpy hands to the solver, in order."""
    import numpy

    attributes, side = variable.attributes, variable.shape[-1] if variable.shape else 0
    if variable.sparse_idx is not None:
        return zip(*(positions.tolist() for positions in variable.sparse_idx), strict=True)
    if attributes["diag"]:
        return [(number, number) for number in range(side)]
    if attributes["symmetric"] or attributes["PSD"] or attributes["NSD"]:
        rows, columns = numpy.triu_indices(side)
        return zip(rows.tolist(), columns.tolist(), strict=True)
    return _by_columns(variable.shape)


def _by_columns(shape: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the indices of an array, in the order in which the first one changes first."""
    return (index[::-1] for index in product(*map(range, shape[::-1])))


def _constraints(inner: InnerSolve, many: int) -> list[str]:
    """Return a name for each row: the number of the program's constraint with an index, or one with a number."""
    places, first = {}, 0
    for constraint in inner.program.constraints:
        places[constraint.id] = (first, constraint.size)
        first += constraint.size
    names = [""] * many
    replaced = inner.chain.compose_constr_id_map()
    for number, constraint in enumerate(inner.problem.constraints, start=1):
        first, size = places.get(replaced.get(constraint.id, constraint.id), (0, 0))
        name = constraint.label or f"constraint {number}"
        shape = constraint.shape if math.prod(constraint.shape) == size else (size,)
        indices = [()] if size == 1 else _by_columns(shape)
        names[first : first + size] = [_indexed(name, index) for index in indices]
    return _numbered(names, "auxiliary constraint")


def _indexed(name: str, index: Sequence[int]) -> str:
    return f"{name}[{','.join(map(str, index))}]" if index else name


def _numbered(names: list[str], kind: str) -> list[str]:
    """Return the names, with a numbered one in place of each that is empty."""
    numbers = count(1)
    return [name or f"{kind} {next(numbers)}" for name in names]
