"""Solves with scipy.optimize. It only minimizes, and reports have the sense and the value of its problem."""

import pytest

from support.probe_reports import MARKET, MARKET_COUNTS, SHORT, counts, report, report_and_output, values
from support.solve_records import check_solution, plan, recorded, rows

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


LP = "linprog([-45, -80], A_ub=[[5, 20], [10, 15]], b_ub=[400, 450], A_eq=AEQ, b_eq=[2], bounds=[(0, None), (1, 9)])"


@pytest.mark.parametrize("matrix", ["[[1, -1]]", "np.array([[1, -1]])", "sparse.csr_matrix([[1, -1]])"])
def test_an_lp_is_recorded_with_duals(full, matrix):
    solve = recorded(full, f"{SP}from scipy import sparse\n{LP.replace('AEQ', matrix)}")
    check_solution(solve)
    assert plan(solve) == {"x[0]": 11, "x[1]": 9}
    assert rows(solve) == {
        "A_ub[0]": (None, {"x[0]": 5, "x[1]": 20}, 400),
        "A_ub[1]": (None, {"x[0]": 10, "x[1]": 15}, 450),
        "A_eq[0]": (2, {"x[0]": 1, "x[1]": -1}, 2),
    }
    assert (solve.model.lower, solve.model.upper, solve.model.costs) == ((0, 1), (None, 9), (-45, -80))
    assert (solve.duals, solve.reduced_costs) == ((0, 0, -45), (0, -125))


MIP_ROWS = {"constraints[0][0]": (None, {"x[0]": 1, "x[1]": 1}, 5), "constraints[0][1]": (0, {"x[1]": 2}, 5)}


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        ("LinearConstraint(A, [-np.inf, 0], 5)", MIP_ROWS),
        ("[LinearConstraint(sparse.coo_array(A), [-np.inf, 0], 5)]", MIP_ROWS),
        ("(A, [-np.inf, 0], 5)", MIP_ROWS),
        ("[(A, [-np.inf, 0], 5)]", MIP_ROWS),
        (
            "[(A[0], -np.inf, 5), (A[1], 0, 5), LinearConstraint([0, 1], ub=9)]",
            {
                "constraints[0][0]": (None, {"x[0]": 1, "x[1]": 1}, 5),
                "constraints[1][0]": (0, {"x[1]": 2}, 5),
                "constraints[2][0]": (None, {"x[1]": 1}, 9),
            },
        ),
    ],
)
def test_a_mip_is_recorded_with_constraints_in_all_forms(full, constraints, expected):
    code = f"""{SP}from scipy import sparse
A = np.array([[1, 1], [0, 2]])
milp([-1, -2], integrality=[1, 0], bounds=Bounds(0, 4), constraints={constraints})
"""
    solve = recorded(full, code)
    check_solution(solve)
    assert (plan(solve), rows(solve)) == ({"x[0]": 2, "x[1]": 2.5}, expected)
    assert (solve.model.integer, solve.model.upper, solve.duals, solve.reduced_costs) == ((0,), (4, 4), None, None)


@pytest.mark.parametrize(
    ("call", "lower", "upper"),
    [
        ("milp([1, 1, 1], integrality=1, bounds=([1, 2, 3], [5, 6, np.inf]))", (1, 2, 3), (5, 6, None)),
        ("milp([1, 1], bounds=([1, 2], [5, 6]))", (1, 2), (5, 6)),
        ("milp([1, 1])", (0, 0), (None, None)),
        ("linprog([1, 1], bounds=([1, 2], [5, 6]))", (1, 5), (2, 6)),
        ("linprog([1, 1], bounds=(-3, None))", (-3, -3), (None, None)),
        ("linprog([1, 1], bounds=np.array([[1, np.inf], [-2, 7]]), integrality=[0, 1])", (1, -2), (None, 7)),
    ],
)
def test_bounds_are_recorded_as_the_function_reads_them(full, call, lower, upper):
    solve = recorded(full, SP + call)
    check_solution(solve)
    assert (solve.model.lower, solve.model.upper, solve.constraints) == (lower, upper, ())


def test_an_infeasible_model_is_recorded_without_a_solution(full):
    solve = recorded(full, SP + LP.replace("AEQ", "[[1, -1]]").replace("b_eq=[2]", "b_eq=[90]"))
    assert (solve.report.status, solve.values, solve.duals) == ("infeasible", None, None)
    assert len(rows(solve)) == 3


def test_semi_continuous_variables_are_not_recorded(full):
    solve = recorded(full, SP + "milp([1, 1], integrality=[2, 1], bounds=Bounds(1, 4))")
    assert (solve.model, solve.omitted) == (None, "it has semi-continuous or semi-integer variables")


def test_the_variables_of_a_nonlinear_model_are_recorded(full):
    solve = recorded(full, SP + "minimize(lambda x: (x[0] - 1) ** 2 + x[1] ** 2, [3.0, 4.0])")
    assert plan(solve) == {"x[0]": pytest.approx(1, abs=1e-4), "x[1]": pytest.approx(0, abs=1e-4)}
    assert (solve.model, solve.omitted) == (None, "a nonlinear model is given by functions, which cannot be recorded")
