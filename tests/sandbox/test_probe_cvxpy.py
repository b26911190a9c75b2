"""Solves with cvxpy, by its own solvers and by other libraries."""

import pytest

from support.highs import without_banner
from support.probe_reports import MARKET, SHORT, counts, report, report_and_output, values

pytestmark = pytest.mark.slow

pytest.importorskip("cvxpy")

CP = "import cvxpy as cp, numpy as np\n"


@pytest.mark.parametrize("solver", ["CLARABEL", "OSQP", "SCS", "HIGHS", "SCIPY", "GLOP", "SCIP", "GUROBI", "COPT"])
def test_each_solver_is_reported_once(full, solver):
    library = {"SCIP": "pyscipopt", "GUROBI": "gurobipy", "COPT": "coptpy"}.get(solver)
    if library:
        pytest.importorskip(library)
    code = f"{CP}x = cp.Variable(3)\ncp.Problem(cp.Maximize(cp.sum(x)), [x <= 1, x[0] >= 0]).solve(solver={solver!r})"
    found = report(full, code)
    assert (found.library, found.solver, found.status, found.sense) == ("cvxpy", solver, "optimal", "maximize")
    assert (values(found), counts(found)) == ((3, 3), (3, 0, 0, 4))


@pytest.mark.parametrize(
    ("model", "status", "sense", "objective"),
    [
        ("cp.Minimize(cp.sum_squares(x - 2)), [x <= 1]", "optimal", "minimize", 3),
        ("cp.Maximize(-cp.sum_squares(x - 2)), [x <= 1]", "optimal", "maximize", -3),
        ("cp.Maximize(cp.sum(x)), [x <= 1, x >= 2]", "infeasible", "maximize", None),
        ("cp.Maximize(cp.sum(x)), [x >= 2]", "unbounded", "maximize", None),
        ("cp.Minimize(0), [x >= 2]", "optimal", None, None),
    ],
)
def test_statuses_and_senses(full, model, status, sense, objective):
    found = report(full, f"{CP}x = cp.Variable(3)\ncp.Problem({model}).solve(solver='CLARABEL')")
    assert (found.status, found.sense, values(found)[0]) == (status, sense, objective)


def test_entries_of_integer_variables_are_counted(full):
    code = f"""{CP}
x, y = cp.Variable((2, 3), boolean=True), cp.Variable(4, integer=[(1, 2)])
cp.Problem(cp.Maximize(cp.sum(x) + cp.sum(y)), [y <= 2.5, cp.sum(x) <= 4]).solve(solver="HIGHS")
"""
    found = report(full, code)
    assert (counts(found), values(found)) == ((2, 2, 6, 5), (13, None))


@pytest.mark.alone
@pytest.mark.parametrize("solver", ["HIGHS", "SCIPY"])
def test_a_slow_solve_ends_before_the_program_is_stopped(full, solver):
    code = f"""{CP}{MARKET}
x, s = cp.Variable(COLUMNS, boolean=True), cp.Variable(2 * ROWS)
p = cp.Problem(cp.Minimize(cp.sum(s)), [np.array(A) @ x + s[:ROWS] - s[ROWS:] == B, s >= 0])
p.solve(solver={solver!r})
"""
    assert report(full, code, SHORT).status == "feasible"


def test_time_limits_are_set_unless_the_program_set_one(full):
    code = f"""{CP}
from cvxpy.reductions.solvers.conic_solvers.clarabel_conif import CLARABEL
original = CLARABEL.parse_solver_opts
def parse(verbose, options, settings=None):
    print(options)
    return original(verbose, options, settings)
CLARABEL.parse_solver_opts = staticmethod(parse)
x = cp.Variable(3)
p = cp.Problem(cp.Minimize(cp.sum_squares(x - 2)))
mine = dict(time_limit=77.0)
p.solve(solver="CLARABEL")
p.solve(solver="CLARABEL", **mine)
"""
    limited, kept = full.run(code).stdout.splitlines()
    assert 0 < float(limited.partition("'time_limit': ")[2].rstrip("}")) < 10
    assert kept == "{'time_limit': 77.0}"


def test_a_nonconvex_problem_is_not_reported(full):
    execution = full.run(f"{CP}x = cp.Variable()\ncp.Problem(cp.Maximize(x ** 2)).solve()")
    assert (execution.status, execution.reports) == ("error", ())
    assert "DCPError" in execution.stderr


def test_warnings_name_the_programs_line(full):
    code = f"{CP}x = cp.Variable(300)\np = cp.Problem(cp.Minimize(cp.norm1(np.eye(300) @ x - 2)))\n"
    code += "p.solve(solver='SCS', max_iters=1)"
    found, _ = report_and_output(full, code)
    assert found.status == "feasible"
    assert "main.py:4: UserWarning" in full.run(code).stderr


@pytest.mark.parametrize(
    ("model", "solver"),
    [
        ("x = cp.Variable(2500); p = cp.Problem(cp.Maximize(cp.sum(x)), [x <= 1])", "CLARABEL"),
        ("x = cp.Variable(2500); p = cp.Problem(cp.Minimize(cp.sum_squares(x - 2)), [x <= 1])", "OSQP"),
        ("x = cp.Variable(2500, boolean=True); p = cp.Problem(cp.Maximize(cp.sum(x)), [cp.sum(x) <= 9])", "HIGHS"),
        ("x = cp.Variable(3, integer=True); p = cp.Problem(cp.Minimize(cp.norm(x - 2.3)))", "SCIP"),
    ],
)
def test_the_default_solver_needs_no_licence(full, model, solver):
    pytest.importorskip("gurobipy")
    found, output = report_and_output(full, f"{CP}{model}\np.solve()\nprint(p.status)")
    assert (found.status, found.solver, without_banner(output)) == ("optimal", solver, "optimal\n")


def test_a_commercial_solver_can_be_named_and_its_licence_can_be_too_small(full):
    pytest.importorskip("gurobipy")
    code = f"{CP}x = cp.Variable(SIZE)\np = cp.Problem(cp.Minimize(cp.sum(x)), [x >= 1])\np.solve(solver=cp.GUROBI)"
    assert report(full, code.replace("SIZE", "5")).solver == "GUROBI"
    execution = full.run(code.replace("SIZE", "2500"))
    assert (execution.status, [found.status for found in execution.reports]) == ("error", ["error"])
