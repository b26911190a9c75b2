"""Help on attributes, imports and names that do not exist: the usage, or the nearest names that do."""

import builtins
import difflib
import pkgutil
import re
import sys
from types import ModuleType

from storm_calm.sandbox.error_help import usages
from storm_calm.sandbox.error_help.failure import Failure, library_of
from storm_calm.sandbox.error_help.messages import without_solution

_PULP_NAMES = ("lpproblem", "lpvariable", "lpminimize", "lpmaximize", "lpsum", "lpstatus", "lpinteger", "lpbinary")
_MAX_NAMES = 5000
_CUTOFF = 0.6
_MISSPELLED = 0.75
_LISTED = 10  # names of an object so small that all are listed
_IMPORTS = {
    "cp": "import cvxpy as cp",
    "cp_model": "from ortools.sat.python import cp_model",
    "gp": "import gurobipy as gp",
    "itertools": "import itertools",
    "linprog": "from scipy.optimize import linprog",
    "math": "import math",
    "milp": "from scipy.optimize import milp",
    "minimize": "from scipy.optimize import minimize",
    "np": "import numpy as np",
    "pd": "import pandas as pd",
    "pulp": "import pulp",
    "pyo": "import pyomo.environ as pyo",
    "pywraplp": "from ortools.linear_solver import pywraplp",
}
"""Imports that programs forget, by the name that they use."""
_IMPORTED_NAME = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")


def help_on(failure: Failure) -> str:
    """Return help on a missing name of a solver library or of the program; "" for other errors."""
    error = failure.error
    if type(error) is NameError and isinstance(error.name, str):
        return _undefined(failure, error.name)
    if isinstance(error, AttributeError) and isinstance(error.name, str):
        return _missing_attribute(failure, error.obj, error.name)
    if isinstance(error, ImportError) and (found := _IMPORTED_NAME.search(failure.message)):
        name, module = found.groups()
        if library_of(module) and isinstance(sys.modules.get(module), ModuleType):
            return _missing(module, module, name, _names_of(sys.modules[module]))
    return ""


def nearest(name: str, names: list[str], count: int = 3, cutoff: float = _CUTOFF) -> list[str]:
    """Return the names most similar to `name`, the best first, regardless of case and underscores."""
    by_form: dict[str, list[str]] = {}
    for one in names[:_MAX_NAMES]:
        by_form.setdefault(usages.normalized(one), []).append(one)
    forms = difflib.get_close_matches(usages.normalized(name), list(by_form), n=count, cutoff=cutoff)
    return [one for form in forms for one in by_form[form]][:count]


def _missing_attribute(failure: Failure, value: object, name: str) -> str:
    if value is None:
        return _attribute_of_none(failure, name)
    if isinstance(value, ModuleType):
        module = value.__name__
        package = module.partition(".")[0]
        if package != module and library_of(module) and name in vars(sys.modules.get(package, value)):
            return f"`{module}` has no `{name}`, but `{package}` has it: `import {package}`, without `*`."
        return _missing(module, module, name, _names_of(value)) if library_of(module) else ""
    cls = value if isinstance(value, type) else type(value)
    if owner := usages.owner_of_class(cls):
        return _missing(owner, owner, name, dir(cls))
    if library := library_of(cls.__module__):
        return _missing(f"{library}.{cls.__name__}", cls.__name__, name, dir(cls))
    if name == "Extract" and failure.uses("ortools.linear_solver.pywraplp"):
        return f"`solver.Add` takes one constraint. Use {usages.usage('pywraplp.Solver', 'constraint')}."
    return ""


def _undefined(failure: Failure, name: str) -> str:
    """Return help on a name without a value: where it is, or that the program lacks it."""
    values = failure.program_values()
    if name in _IMPORTS and name not in values:
        return f"Add `{_IMPORTS[name]}`."
    for alias, value in values.items():
        if isinstance(value, ModuleType) and name in vars(value) and not name.startswith("_"):
            return f"It is in the module `{alias}`: write `{alias}.{name}`."
    if name.startswith("Lp") and usages.normalized(name) in _PULP_NAMES:
        return f"It is in PuLP: add `import pulp`, and write `pulp.{name}`."
    if nearest(name, [*values, *dir(builtins)], 1, cutoff=_MISSPELLED):
        return ""  # Python's own suggestion is enough.
    return f"`{name}` has no value here. Write the whole program in one block: imports, data, model and prints."


def _missing(owner: str, shown: str, name: str, names: list[str]) -> str:
    """Return help on the name `name` that `owner`, a key of `USAGES`, does not have. names: those it has."""
    names = [one for one in names if not one.startswith("_")]
    near = [one for one in nearest(name, names) if one != name]
    text = f"`{shown}` has no `{name}`."
    same = [one for one in near if usages.normalized(one) == usages.normalized(name)]
    use = usages.usage(owner, name)
    if same:
        return f"{text} It has `{same[0]}`." + (f" Use {use}." if use and usages.wanted(name) else "")
    if use:
        text += f" Use {use}."
    if near and not (use and usages.wanted(name)):
        text += f" Nearest names: {_list(near)}."
    elif not use and len(names) <= _LISTED:
        text += f" It has {_list(names)}."
    return text if use or near or len(names) <= _LISTED else ""


def _attribute_of_none(failure: Failure, name: str) -> str:
    """Return help on an attribute of None: the cause, as far as the libraries reveal it."""
    pywraplp = sys.modules.get("ortools.linear_solver.pywraplp")
    if pywraplp and failure.uses("ortools.linear_solver") and hasattr(pywraplp.Solver, name):
        kinds = ("GLOP", "PDLP", "CLP", "CBC", "SCIP", "SAT", "HIGHS")
        there = [kind for kind in kinds if pywraplp.Solver.CreateSolver(kind) is not None]
        return f"`CreateSolver` returned None: it has no solver of that name. Names of solvers: {', '.join(there)}."
    return without_solution(failure)


def _names_of(module: ModuleType) -> list[str]:
    """Return the public names of a module and, for a package, of the modules in it."""
    inner = [found.name for found in pkgutil.iter_modules(getattr(module, "__path__", ()))]
    return sorted({*dir(module), *inner})


def _list(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
