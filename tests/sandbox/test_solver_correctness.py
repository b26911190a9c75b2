"""The installed solver libraries agree on random integer programs: a release can return wrong optima."""

import json
import random

import pytest

from storm_calm.sandbox import Limits, open_sandbox

SOLVES = {
    "highspy": """
import highspy
def solve(c, A, b, u, whole):
    h = highspy.Highs()
    h.silent()
    x = [h.addIntegral(0, top) if one else h.addVariable(0, top) for top, one in zip(u, whole)]
    for row, limit in zip(A, b):
        h.addConstr(sum(a * v for a, v in zip(row, x)) <= limit)
    h.maximize(sum(a * v for a, v in zip(c, x)))
    return h.getObjectiveValue()
""",
    "cvxpy": """
import cvxpy as cp
def solve(c, A, b, u, whole):
    x = [cp.Variable(integer=one) for one in whole]
    limits = [sum(a * v for a, v in zip(row, x)) <= limit for row, limit in zip(A, b)]
    limits += [0 <= v for v in x] + [v <= top for v, top in zip(x, u)]
    return cp.Problem(cp.Maximize(sum(a * v for a, v in zip(c, x))), limits).solve()
""",
    "pulp": """
import pulp
def solve(c, A, b, u, whole):
    p = pulp.LpProblem("p", pulp.LpMaximize)
    kinds = ["Integer" if one else "Continuous" for one in whole]
    x = [pulp.LpVariable(f"x{i}", 0, top, kind) for i, (top, kind) in enumerate(zip(u, kinds))]
    p += pulp.lpDot(c, x)
    for row, limit in zip(A, b):
        p += pulp.lpDot(row, x) <= limit
    p.solve(pulp.PULP_CBC_CMD(msg=0))
    return pulp.value(p.objective)
""",
    "pywraplp": """
from ortools.linear_solver import pywraplp
def solve(c, A, b, u, whole):
    s = pywraplp.Solver.CreateSolver("SCIP")
    x = [s.IntVar(0, top, "") if one else s.NumVar(0, top, "") for top, one in zip(u, whole)]
    for row, limit in zip(A, b):
        s.Add(sum(a * v for a, v in zip(row, x)) <= limit)
    s.Maximize(sum(a * v for a, v in zip(c, x)))
    s.Solve()
    return s.Objective().Value()
""",
    "scipy": """
from scipy.optimize import Bounds, LinearConstraint, milp
def solve(c, A, b, u, whole):
    limits = LinearConstraint(A, -float("inf"), b)
    return -milp([-a for a in c], constraints=limits, bounds=Bounds(0, u), integrality=[int(one) for one in whole]).fun
""",
}
MAIN = """
import json
models = json.load(open("models.json"))
print("answers", json.dumps([float(solve(*model)) for model in models]))
"""


def model(seed):
    """Return a random program: maximize c x subject to A x <= b, 0 <= x <= u, and some x are integers."""
    draw = random.Random(seed)
    size = draw.choice([2, 2, 4])
    rows = draw.randint(1, 2)
    c = [draw.randint(1, 9) for _ in range(size)]
    matrix = [[draw.randint(1, 5) for _ in range(size)] for _ in range(rows)]
    limits = [draw.randint(5, 20) for _ in range(rows)]
    return c, matrix, limits, [draw.randint(2, 6) for _ in range(size)], [draw.random() < 0.5 for _ in range(size)]


@pytest.fixture
def answers():
    """Return a function that solves the models with a library."""
    files = {"models.json": json.dumps([model(seed) for seed in range(60)]).encode()}

    with open_sandbox(minimum_isolation="limits", limits=Limits(seconds=60)) as sandbox:

        def answers(library):
            run = sandbox.run(SOLVES[library] + MAIN, files=files)
            assert run.status == "ok", run.stderr
            return json.loads(run.stdout.rpartition("answers ")[2])

        yield answers


@pytest.mark.slow
def test_all_libraries_find_the_same_optima(answers):
    reference = answers("scipy")
    for library in SOLVES:
        assert answers(library) == pytest.approx(reference, rel=1e-4), library
