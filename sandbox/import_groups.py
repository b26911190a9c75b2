"""Groups of libraries that share a fork server, and the choice of a group for a program.

The cost of a fork grows with the libraries that its parent has loaded. So each group of libraries has its own fork
server, started when first needed. A program runs in the one that saves it the most import time, by the imports in its
syntax tree; it imports other libraries itself.

    import_group_of("import pulp")  ->  "pulp"
"""

import ast
from collections.abc import Iterator

from storm_calm.sandbox.syntax_tree import parse

IMPORT_GROUPS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "linear": ("numpy", "ortools.constraint_solver.pywrapcp", "ortools.linear_solver.pywraplp"),
    "cp_sat": ("numpy", "pandas", "ortools.sat.python.cp_model"),
    "ortools": (
        "numpy",
        "pandas",
        "ortools.linear_solver.pywraplp",
        "ortools.constraint_solver.pywrapcp",
        "ortools.sat.python.cp_model",
        "ortools.linear_solver.python.model_builder",
        "ortools.math_opt.python.mathopt",
    ),
    "native": ("numpy", "pandas", "pyscipopt", "coptpy", "highspy", "gurobipy"),
    "pyomo": ("numpy", "pandas", "highspy", "pyomo.environ"),
    "scipy": ("numpy", "pandas", "scipy.optimize"),
    "pulp": ("numpy", "pandas", "ortools.linear_solver.pywraplp", "osqp", "highspy", "pulp"),
    "cvxpy": ("numpy", "pandas", "scipy.optimize", "cvxpy"),
}
"""The libraries of each group in their import order; smaller groups come first.

PuLP loads HiGHS in a way that its symbols replace those of libraries loaded later. Then solving with HiGHS in OR-Tools
returns status 99 and objective 0, and cvxpy with OSQP crashes. So PuLP is in one group only, as its last library.
"""

FIRST_GROUP = "plain"
"""The group whose fork server starts with the sandbox: it starts fastest, and detects the isolation level."""

_IMPORT_MS = {
    "numpy": 60,
    "pandas": 240,
    "ortools.linear_solver.pywraplp": 50,
    "ortools.constraint_solver.pywrapcp": 30,
    "ortools.sat.python.cp_model": 300,
    "ortools.math_opt.python.mathopt": 150,
    "ortools.linear_solver.python.model_builder": 50,
    "osqp": 20,
    "pulp": 110,
    "highspy": 70,
    "pyomo.environ": 210,
    "gurobipy": 40,
    "coptpy": 60,
    "pyscipopt": 60,
    "scipy.optimize": 360,
    "cvxpy": 680,
}
"""Approximate import time of each library in milliseconds."""


def import_group_of(code: str) -> str:
    """Return the group that saves `code` the most import time; the first one of equals."""
    tree = parse(code)
    try:
        names = set(_imported(tree.body if tree else []))
    except RecursionError:
        names = set()
    used = {library for library in _IMPORT_MS if any(_touches(name, library) for name in names)}
    return max(
        IMPORT_GROUPS, key=lambda group: sum(_IMPORT_MS[library] for library in used.intersection(IMPORT_GROUPS[group]))
    )


def _imported(statements: list[ast.stmt]) -> Iterator[str]:
    """Yield all dotted names that the statements import, at any depth."""
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            if statement.module and not statement.level:
                yield from (f"{statement.module}.{alias.name}" for alias in statement.names)
        else:
            for inner in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from _imported(getattr(statement, inner, []))


def _touches(name: str, library: str) -> bool:
    """Return whether `name` is `library`, inside it, or a package that contains it (scipy for scipy.optimize)."""
    return f"{name}.".startswith(f"{library}.") or f"{library}.".startswith(f"{name}.")
