"""Solvers in sessions: a solve in a fork of a process that has solved before gives the result of a new process."""

import pytest

from storm_calm.sandbox import Limits
from support.highs import without_banner

pytestmark = pytest.mark.slow

CP_SAT = (
    """
from ortools.sat.python import cp_model
def solve(limit, workers):
    model = cp_model.CpModel()
    items = [model.new_bool_var(f"x{i}") for i in range(12)]
    model.add(sum((3 * i % 7 + 2) * item for i, item in enumerate(items)) <= limit)
    model.maximize(sum((5 * i % 11 + 1) * item for i, item in enumerate(items)))
    solver = cp_model.CpSolver()
    if workers: solver.parameters.num_workers = workers
    status = solver.solve(model)
    return solver.status_name(status), solver.objective_value
""",
    ["print(solve(20, 0))", "print(solve(25, 8))", "print(solve(20, 1))"],
)
LINEAR = (
    """
from ortools.linear_solver import pywraplp
def solve(name, limit):
    solver = pywraplp.Solver.CreateSolver(name)
    items = [solver.IntVar(0, 3, f"x{i}") for i in range(8)]
    solver.Add(sum((3 * i % 7 + 2) * item for i, item in enumerate(items)) <= limit)
    solver.Maximize(sum((5 * i % 11 + 1) * item for i, item in enumerate(items)))
    return solver.Solve(), round(solver.Objective().Value(), 6)
""",
    [f"print(solve({name!r}, {limit}))" for name in ("SCIP", "CBC", "SAT", "GLOP", "SCIP") for limit in (17, 31)],
)
SCIPY = (
    """
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
weights = np.array([3 * i % 7 + 2 for i in range(12)])
values = np.array([5 * i % 11 + 1 for i in range(12)])
def whole(limit):
    most = LinearConstraint(weights[None], ub=limit)
    found = milp(-values, constraints=most, bounds=Bounds(0, 1), integrality=np.ones(12))
    return found.status, round(found.fun, 6)
def broken(limit):
    found = linprog(-values, weights[None], [limit], bounds=(0, 1))
    return found.status, round(found.fun, 6)
""",
    ["print(whole(20))", "print(broken(20))", "print(whole(25))", "print(whole(20), broken(25))"],
)
CVXPY = (
    """
import cvxpy as cp
def solve(solver, budget):
    x = cp.Variable(4)
    problem = cp.Problem(cp.Maximize(cp.sum(x) - cp.sum_squares(x)), [cp.sum(x) <= budget, x >= 0])
    problem.solve(solver=solver)
    return problem.status, round(problem.value, 3)
""",
    [f"print(solve({name!r}, {budget}))" for name in ("CLARABEL", "OSQP", "SCS", "CLARABEL") for budget in (1, 2)],
)
HIGHSPY = (
    """
import highspy
def solve(limit):
    model = highspy.Highs()
    model.silent()
    items = [model.addIntegral(0, 3) for _ in range(8)]
    model.addConstr(sum((3 * i % 7 + 2) * item for i, item in enumerate(items)) <= limit)
    model.maximize(sum((5 * i % 11 + 1) * item for i, item in enumerate(items)))
    return str(model.getModelStatus()), round(model.getObjectiveValue(), 6)
""",
    ["print(solve(17))", "print(solve(31))", "print(solve(17))"],
)
KINDS = {"CP-SAT": CP_SAT, "linear solver": LINEAR, "SciPy": SCIPY, "cvxpy": CVXPY, "highspy": HIGHSPY}
LIMITS = Limits(seconds=60, memory_mb=1024)


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_solves_give_the_results_of_new_processes(full, kind):
    define, solves = KINDS[kind]
    fresh = [full.run(define + solve, limits=LIMITS) for solve in solves]
    assert [run.status for run in fresh] == ["ok"] * len(solves), fresh[0].stderr
    with full.session(limits=LIMITS) as session:
        assert session.run(define).status == "ok"
        blocks = [session.run(solve) for solve in solves]
        assert [without_banner(block.stdout) for block in blocks] == [without_banner(run.stdout) for run in fresh]
        assert [block.replayed for block in blocks] == [0] * len(solves)
        assert [len(block.reports) for block in blocks] == [len(run.reports) for run in fresh]
        session.rewind(2)
        assert without_banner(session.run(solves[-1]).stdout) == without_banner(fresh[-1].stdout)


def test_libraries_can_alternate_in_one_session(full):
    turns = [CP_SAT, LINEAR, SCIPY, CVXPY, CP_SAT, SCIPY]
    with full.session(limits=LIMITS) as session:
        for define, solves in turns:
            code = define + "\n".join(solves[:2])
            block = session.run(code)
            assert (block.status, block.replayed) == ("ok", 0), block.stderr
            assert block.stdout == full.run(code, limits=LIMITS).stdout


def test_a_block_whose_solver_leaves_threads_is_replayed(full):
    define, _ = HIGHSPY
    parallel = define.replace(
        "model.silent()", "model.silent(); model.setOptionValue('parallel', 'on'); model.setOptionValue('threads', 4)"
    )
    with full.session(limits=LIMITS) as session:
        first = session.run(parallel + "print(solve(17))")
        assert first.status == "ok"
        second = session.run("print(solve(31))")
        assert (second.status, second.replayed) == ("ok", 1)
        assert without_banner(session.run("print(solve(17))").stdout) == without_banner(first.stdout)


def test_a_solve_is_limited_by_its_own_block_and_not_by_the_first(full):
    with full.session(limits=Limits(seconds=1.5, memory_mb=1024)) as session:
        session.run(CP_SAT[0] + "import time; time.sleep(1)")
        session.run("time.sleep(1)")
        # A time limit counted from the first block would leave no time.
        assert session.run("print(solve(20, 0))").reports[0].status == "optimal"
