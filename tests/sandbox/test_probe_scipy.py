"""Solves with scipy.optimize. It only minimizes, and reports have the sense and the value of its problem."""

import pytest

from support.probe_reports import MARKET, MARKET_COUNTS, SHORT, counts, report, report_and_output, values

pytestmark = pytest.mark.slow

pytest.importorskip("scipy")

SP = "from scipy.optimize import Bounds, LinearConstraint, linprog, milp, minimize\nimport numpy as np\n"


@pytest.mark.parametrize(
    ("call", "status", "objective", "counted"),
    [
        ("linprog([-1, -2], A_ub=[[1, 1]], b_ub=[4], A_eq=[[1, -1]], b_eq=[0])", "optimal", -6, (2, 0, 0, 2)),
        ("linprog([1, 2], [[1, 1]], [-4])", "infeasible", None, (2, 0, 0, 1)),
        ("linprog([-1, -2])", "unbounded", None, (2, 0, 0, 0)),
        ("linprog([-1, -2, 0], [[2, 2, 1]], [7], integrality=[1, 1, 0], bounds=(0, 1))", "optimal", -3, (1, 0, 2, 1)),
        (
            "linprog([-1, -2], [[2, 2]], [7], integrality=1, bounds=[(0, 1), (0, None)])",
            "optimal",
            -6,
            (0, 1, 1, 1),
        ),
        ("milp([-1, -2], integrality=[1, 1], bounds=Bounds(0, [1, 4]))", "optimal", -9, (0, 1, 1, 0)),
        (
            "milp([-1, -2], integrality=[1, 0], bounds=Bounds(0, 4), "
            "constraints=LinearConstraint([[1, 1], [0, 1]], -np.inf, [5, 2.5]))",
            "optimal",
            -7,
            (1, 1, 0, 2),
        ),
        ("milp([-1], bounds=Bounds(0, 4), constraints=([[1]], 5, 9))", "infeasible", None, (1, 0, 0, 1)),
        (
            "milp([-1], bounds=Bounds(0, 4), constraints=[LinearConstraint([[1]], 1, 2), ([[1]], 0, 1.5)])",
            "optimal",
            -1.5,
            (1, 0, 0, 2),
        ),
    ],
)
def test_linear_solves(full, call, status, objective, counted):
    found = report(full, SP + call)
    assert (found.library, found.solver, found.status, found.sense) == ("scipy.optimize", "HIGHS", status, "minimize")
    assert (values(found), counts(found)) == ((objective, objective), counted)


@pytest.mark.parametrize(
    ("call", "solver", "status", "objective", "counted"),
    [
        ("minimize(lambda x: (x[0] - 1) ** 2 + 3, [0.0])", "", "feasible", 3, (1, 0, 0, 0)),
        (
            "minimize(lambda x: sum(x ** 2), [9.0, 9.0], constraints={'type': 'ineq', 'fun': lambda x: x[0] - 2})",
            "",
            "feasible",
            4,
            (2, 0, 0, 1),
        ),
        (
            "minimize(lambda x: sum(x ** 2), [9.0, 9.0], method='trust-constr', "
            "constraints=[LinearConstraint([[1, 1], [1, 0]], 2, 9)])",
            "TRUST-CONSTR",
            "feasible",
            4,
            (2, 0, 0, 2),
        ),
        (
            "minimize(lambda x: (x[0] - 1) ** 2, [0.0], method='Nelder-Mead', options={'maxiter': 2})",
            "NELDER-MEAD",
            "limit",
            None,
            (1, 0, 0, 0),
        ),
    ],
)
def test_minimize_is_never_reported_as_optimal(full, call, solver, status, objective, counted):
    found = report(full, SP + call)
    assert (found.library, found.solver, found.status, found.sense) == ("scipy.optimize", solver, status, "minimize")
    assert (found.bound, counts(found)) == (None, counted)
    assert found.objective == (objective if objective is None else pytest.approx(objective, abs=1e-3))


@pytest.mark.alone
def test_a_slow_solve_ends_before_the_program_is_stopped(full):
    code = f"""{SP}{MARKET}
matrix = np.hstack([np.array(A), np.eye(ROWS), -np.eye(ROWS)])
whole = [1] * COLUMNS + [0] * 2 * ROWS
mine = {{"disp": False}}
r = milp([0] * COLUMNS + [1] * 2 * ROWS, integrality=whole, bounds=Bounds(0, [1 if one else np.inf for one in whole]),
         constraints=LinearConstraint(matrix, B, B), options=mine)
print(r.status, mine)
"""
    found, output = report_and_output(full, code, SHORT)
    assert (found.status, counts(found), output) == ("feasible", MARKET_COUNTS, "1 {'disp': False}\n")
    assert found.gap > 0


def test_wrapped_functions_keep_their_module_and_signature(full):
    code = SP + "import inspect, scipy.optimize as o\n"
    code += "print(linprog.__module__, linprog is o.linprog is o._linprog.linprog, *inspect.signature(milp).parameters)"
    assert full.run(code).stdout == "scipy.optimize._linprog True c integrality bounds constraints options\n"
