"""Which libraries go together into one fork server, and which fork server a program goes to.

A fork costs by what its parent has loaded, an import by what it loads: so there is a fork server for each group of
libraries, started when the first program asks for it, and each program goes, by the imports in its syntax tree, to
the one that spares it most. What that one lacks the program imports by itself, as ever.

    import_group_of("import pulp")  ->  "pulp"
"""

from __future__ import annotations

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
"""The libraries of each group, in the order in which they are loaded, the one that most programs are about last;
groups from small to large where it can be said.

PuLP loads HiGHS so that its symbols take the place of those of libraries loaded later: in OR-Tools, solving with HiGHS
then gives status 99 and objective 0, and cvxpy with OSQP crashes. So it is in one group only, and the last one there.
"""

FIRST_GROUP = "plain"
"""The group whose fork server is started with the sandbox: it takes no time, and tells what the machine allows."""

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
"""About how many milliseconds each takes to import: what a program is spared that finds it loaded."""


def import_group_of(code: str) -> str:
    """The group that spares `code` most time; of two that spare the same, the one that comes first."""
    tree = parse(code)
    if tree is None:
        return "plain"  # It will hear about it where it runs.
    try:
        names = set(_imported(tree.body))
    except RecursionError:
        return "plain"
    used = {library for library in _IMPORT_MS if any(_touches(name, library) for name in names)}
    return max(
        IMPORT_GROUPS, key=lambda group: sum(_IMPORT_MS[library] for library in used.intersection(IMPORT_GROUPS[group]))
    )


def _imported(statements: list[ast.stmt]) -> Iterator[str]:
    """All dotted names that are imported anywhere in the program; only statements are looked at, which is quick."""
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
    """Whether importing `name` imports `library`, or a package that leads to it, such as scipy to scipy.optimize."""
    return f"{name}.".startswith(f"{library}.") or f"{library}.".startswith(f"{name}.")
