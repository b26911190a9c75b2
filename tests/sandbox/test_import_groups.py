"""A program runs in the fork server that has most of its imports loaded."""

import pytest

from storm_calm.sandbox.import_groups import FIRST_GROUP, IMPORT_GROUPS, import_group_of

pytestmark = pytest.mark.slow

PROGRAMS = {
    "": "plain",
    "print(1)": "plain",
    "import os, json": "plain",
    "import numpy as np": "linear",
    "from ortools.linear_solver import pywraplp": "linear",
    "from ortools.constraint_solver import pywrapcp, routing_enums_pb2": "linear",
    "from ortools.sat.python import cp_model": "cp_sat",
    "from ortools.linear_solver import pywraplp\nfrom ortools.sat.python import cp_model": "ortools",
    "from ortools.math_opt.python import mathopt": "ortools",
    "import pulp": "pulp",
    "from pulp import *": "pulp",
    "import pyomo.environ as pyo": "pyomo",
    "import highspy": "native",
    "import gurobipy as gp\nfrom gurobipy import GRB": "native",
    "import coptpy": "native",
    "from pyscipopt import Model": "native",
    "import scipy": "scipy",
    "from scipy.optimize import milp": "scipy",
    "import cvxpy as cp": "cvxpy",
    "import cvxpy as cp\nimport numpy as np\nimport pulp": "cvxpy",
    "import cvxpylayers": "plain",
    "def solve():\n    try:\n        import cvxpy\n    except ImportError:\n        import pulp": "cvxpy",
    "try:\n    x = 1\nfinally:\n    import pulp": "pulp",
    "match 1:\n    case 1:\n        import pulp": "pulp",
    "from . import pulp": "plain",
    "import pulp\nthis is no python": "plain",
    "import pulp\0": "plain",
    "x = '\ud800'": "plain",
    "(" * 5000: "plain",
}


@pytest.mark.parametrize(("code", "group"), PROGRAMS.items())
def test_a_programs_imports_select_its_import_group(code, group):
    assert import_group_of(code) == group


def test_the_first_group_exists():
    assert FIRST_GROUP in IMPORT_GROUPS


def test_pulp_is_loaded_after_the_libraries_it_would_break():
    with_pulp = [libraries for libraries in IMPORT_GROUPS.values() if "pulp" in libraries]
    assert len(with_pulp) == 1
    assert with_pulp[0][-1] == "pulp"
    assert {"ortools.linear_solver.pywraplp", "osqp"} <= set(with_pulp[0])
