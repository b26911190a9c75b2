"""Loading and warming libraries ahead makes programs faster and changes nothing else."""

import time

import pytest

from storm_calm.sandbox import Sandbox
from storm_calm.sandbox.import_groups import IMPORT_GROUPS

pytestmark = pytest.mark.slow

# Imports that lead to each group.
IMPORTS = {
    "plain": "import json",
    "linear": "from ortools.linear_solver import pywraplp",
    "cp_sat": "from ortools.sat.python import cp_model",
    "ortools": "from ortools.math_opt.python import mathopt",
    "native": "import highspy, pyscipopt",
    "pyomo": "import pyomo.environ",
    "scipy": "import scipy.optimize",
    "pulp": "import pulp",
    "cvxpy": "import cvxpy",
}


def run_in_a_warm_child(sandbox: Sandbox, code: str) -> str:
    """Return the output of a program that runs alone, after the fork server had time to make a spare."""
    for _ in range(2):
        execution = sandbox.run(code)
        time.sleep(0.2)
    execution = sandbox.run(code)
    assert (execution.status, execution.stderr, execution.reports) == ("ok", "", ())
    return execution.stdout


def test_every_import_group_is_covered():
    assert set(IMPORTS) == set(IMPORT_GROUPS)


@pytest.mark.parametrize("group", IMPORT_GROUPS)
def test_preloading_is_invisible_to_programs(full, group):
    code = f"""
{IMPORTS[group]}
import os, sys
print("mine")
ours = [name for name in sys.modules if name.startswith("storm_calm")]
print(len(os.listdir("/proc/self/task")), os.listdir("."), ours)
"""
    assert run_in_a_warm_child(full, code) == "mine\n1 ['main.py'] []\n"


def test_libraries_of_an_import_group_are_preloaded(full):
    code = "import sys\nhad = 'cvxpy' in sys.modules\nimport cvxpy\nprint(had)"
    assert full.run(code).stdout == "True\n"


def test_cvxpy_variable_numbers_start_at_1(full):
    assert run_in_a_warm_child(full, "import cvxpy as cp\nprint(cp.Variable().name())") == "var1\n"


def test_every_program_draws_different_random_numbers(full):
    code = "import random, numpy\nprint(random.random(), numpy.random.rand())"
    drawn = [number for _ in range(4) for number in full.run(code).stdout.split()]
    assert len(set(drawn)) == 8


def test_seeded_random_numbers_are_reproducible(full):
    code = "import random, numpy\nrandom.seed(1); numpy.random.seed(1)\nprint(random.random(), numpy.random.rand())"
    assert len({full.run(code).stdout for _ in range(3)}) == 1
