"""Records of linear models without a program, random ones too, and their optimum by SciPy."""

import numpy as np
from scipy.optimize import linprog

from storm_calm.env.plans.record import LinearModel, RecordedSolve
from storm_calm.sandbox import SolverReport


def report(**fields):
    return SolverReport(**({"library": "pulp", "solver": "CBC", "status": "optimal"} | fields))


def linear_model(costs, rows, *, bounds=None, maximize=False, **fields):
    """Return a model. rows: (lower, coefficient of each variable, upper)."""
    entries = [[(column, float(a)) for column, a in enumerate(row) if a] for _, row, _ in rows]
    bounds = bounds or [(0.0, None)] * len(costs)
    return LinearModel(
        kind="linear",
        maximize=maximize,
        costs=tuple(map(float, costs)),
        lower=tuple(low for low, _ in bounds),
        upper=tuple(high for _, high in bounds),
        row_lower=tuple(low for low, _, _ in rows),
        row_upper=tuple(high for _, _, high in rows),
        row_starts=tuple(np.cumsum([0, *map(len, entries)]).tolist()),
        row_columns=tuple(column for row in entries for column, _ in row),
        row_values=tuple(a for row in entries for _, a in row),
        **({"offset": 0.0, "quadratic": (), "integer": (), "cones": ()} | fields),
    )


def recorded(model, values, **fields):
    return RecordedSolve(
        report=report(**fields),
        variables=tuple(f"x{i}" for i in range(len(model.costs))),
        constraints=tuple(f"row{i}" for i in range(len(model.row_lower))),
        values=None if values is None else tuple(map(float, values)),
        model=model,
    )


def matrix_of(model):
    """Return the coefficients of the rows, of shape (rows, variables)."""
    matrix = np.zeros((len(model.row_lower), len(model.costs)))
    for row in range(len(matrix)):
        for column, a in model.row(row):
            matrix[row, column] += a
    return matrix


def optimum(model):
    """Return the objective value and the solution of a model without integer variables, by SciPy; None without one."""
    sign = -1.0 if model.maximize else 1.0
    matrix = matrix_of(model)
    upper = [(row, high) for row, high in zip(matrix, model.row_upper, strict=True) if high is not None]
    lower = [(-row, -low) for row, low in zip(matrix, model.row_lower, strict=True) if low is not None]
    left, right = zip(*(upper + lower), strict=True) if upper or lower else (None, None)
    bounds = list(zip(model.lower, model.upper, strict=True))
    found = linprog(sign * np.array(model.costs), left, right, bounds=bounds, method="highs-ds")
    return None if found.status else (sign * found.fun + model.offset, found.x)


def random_model(seed, *, degenerate, integer=False):
    """Return a model with a solution. degenerate: with small whole numbers and rows twice, so that there are ties."""
    rng = np.random.default_rng(seed)
    columns, rows = rng.integers(3, 8), rng.integers(2, 7)
    if degenerate:
        matrix = rng.integers(-1, 3, (rows, columns)).astype(float)
        inner, costs = rng.integers(0, 3, columns).astype(float), rng.integers(-3, 4, columns)
    else:
        matrix, costs = rng.normal(size=(rows, columns)).round(2), rng.normal(size=columns).round(2)
        inner = rng.integers(0, 3, columns) if integer else rng.uniform(0, 3, columns).round(2)
    activity, slack = matrix @ inner, rng.integers(0, 3, (rows, 2))
    given = []
    for row, kind in enumerate(rng.integers(0, 4, rows)):
        low, high = activity[row] - (kind != 2) * slack[row, 0], activity[row] + (kind != 2) * slack[row, 1]
        for factor in (1, 2) if degenerate else (1,):
            limits = None if kind == 0 else float(factor * low), None if kind == 1 else float(factor * high)
            given.append((limits[0], factor * matrix[row], limits[1]))
    return linear_model(
        costs,
        given,
        bounds=[(None if rng.random() < 0.15 else -1.0, None if rng.random() < 0.3 else 4.0) for _ in range(columns)],
        maximize=bool(seed % 2),
        offset=float(rng.integers(-3, 4)),
        integer=tuple(range(0, columns, 2)) if integer else (),
    )


def replaced(values, number, value):
    return (*values[:number], value, *values[number + 1 :])
