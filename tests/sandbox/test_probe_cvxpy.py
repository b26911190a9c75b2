"""Solves with cvxpy, by its own solvers and by other libraries."""

import pytest

from storm_calm.env.plans.record import read_records
from support.highs import without_banner
from support.probe_reports import MARKET, SHORT, counts, report, report_and_output, values
from support.solve_records import check_solution, plan, recorded, rows

pytestmark = pytest.mark.slow

pytest.importorskip("cvxpy")

CP = "import cvxpy as cp, numpy as np\n"
LIBRARIES = {"SCIP": "pyscipopt", "GUROBI": "gurobipy", "COPT": "coptpy"}


def skip_without(solver):
    if solver in LIBRARIES:
        pytest.importorskip(LIBRARIES[solver])


@pytest.mark.parametrize("solver", ["CLARABEL", "OSQP", "SCS", "HIGHS", "SCIPY", "GLOP", "SCIP", "GUROBI", "COPT"])
def test_each_solver_is_reported_once(full, solver):
    skip_without(solver)
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


def test_bounds_with_parameters_are_reported(full):
    code = f"""{CP}p = cp.Parameter(2, value=[1, 5])
x = cp.Variable(2, bounds=[p, 5])
cp.Problem(cp.Minimize(cp.sum(x))).solve(solver="HIGHS")
"""
    found = report(full, code)
    assert (found.status, found.objective, found.continuous, found.fixed) == ("optimal", 6, 2, 1)


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


def cones(solve):
    """Return the kind, the first row and the size of each cone."""
    return [(cone.kind, cone.first, cone.size) for cone in solve.model.cones]


@pytest.mark.parametrize(
    "solver", ["CLARABEL", "OSQP", "SCS", "HIGHS", "SCIPY", "GLOP", "PDLP", "SCIP", "GUROBI", "COPT"]
)
def test_a_maximization_is_recorded_alike_with_every_solver(full, solver):
    skip_without(solver)
    code = f"""{CP}
x, y = cp.Variable(2, name="x"), cp.Variable(name="y")
goal = cp.Maximize(3 * x[0] + 2 * x[1] + y + 10)
p = cp.Problem(goal, [x <= [1, 2], y == 4 - x[0], (2 * x[0] >= 1).set_label("least")])
p.solve(solver={solver!r})
"""
    solve = recorded(full, code)
    check_solution(solve, 1e-4)
    assert plan(solve) == pytest.approx({"x[0]": 1, "x[1]": 2, "y": 3}, abs=1e-3)
    assert rows(solve) == {
        "constraint 2": (4, {"x[0]": 1, "y": 1}, 4),
        "constraint 1[0]": (None, {"x[0]": 1}, 1),
        "constraint 1[1]": (None, {"x[1]": 1}, 2),
        "least": (None, {"x[0]": -2}, -1),
    }
    assert (solve.model.maximize, solve.model.offset) == (True, 10)
    assert sorted(solve.model.costs) == [1, 2, 3]


@pytest.mark.parametrize("solver", ["OSQP", "CLARABEL", "SCS", "HIGHS", "GUROBI", "COPT"])
@pytest.mark.parametrize("sense", ["Minimize(", "Maximize(-"])
def test_a_quadratic_objective_is_recorded(full, solver, sense):
    skip_without(solver)
    code = f"""{CP}x = cp.Variable(2, name="x")
goal = cp.{sense}(cp.quad_form(x, np.array([[2, 1], [1, 3]])) - 4 * x[0] + 5))
cp.Problem(goal, [x[1] >= 0.5]).solve(solver={solver!r})
"""
    solve = recorded(full, code)
    check_solution(solve, 1e-4)
    assert plan(solve) == pytest.approx({"x[0]": 0.75, "x[1]": 0.5}, abs=1e-3)
    sign = 1 if sense == "Minimize(" else -1
    assert sorted(solve.model.quadratic) == [(0, 0, 2 * sign), (0, 1, 2 * sign), (1, 1, 3 * sign)]


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS", "SCIP", "GUROBI", "COPT"])
def test_a_second_order_cone_is_recorded(full, solver):
    skip_without(solver)
    code = f"""{CP}x = cp.Variable(2, name="x")
cp.Problem(cp.Minimize(cp.norm(x - [3, 4]) + 1), [cp.norm(x) <= 2.5]).solve(solver={solver!r})
"""
    solve = recorded(full, code)
    check_solution(solve, 1e-4)
    assert plan(solve)["x[0]"] == pytest.approx(1.5, abs=1e-3)
    assert (plan(solve)["constant"], cones(solve)) == (1, [("second_order", 1, 3), ("second_order", 4, 3)])
    assert list(rows(solve).values()) == [
        (None, {"auxiliary 2": 1}, 2.5),
        (None, {"auxiliary 1": 1}, None),
        (None, {"x[0]": 1, "constant": -3}, None),
        (None, {"x[1]": 1, "constant": -4}, None),
        (None, {"auxiliary 2": 1}, None),
        (None, {"x[0]": 1}, None),
        (None, {"x[1]": 1}, None),
    ]
    assert solve.constraints[:2] == ("constraint 1", "auxiliary constraint 1")


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS", "COPT"])
def test_exponential_cones_are_recorded_in_one_order(full, solver):
    skip_without(solver)
    code = f"""{CP}x, y = cp.Variable(3, name="x"), cp.Variable(3, name="y")
goal = cp.Maximize(cp.sum(cp.entr(x)) + cp.sum(y) + 7)
cp.Problem(goal, [cp.sum(x) == 1, cp.ExpCone(y, x, np.ones(3))]).solve(solver={solver!r})
"""
    solve = recorded(full, code)
    check_solution(solve, 1e-4)
    assert plan(solve)["x[2]"] == pytest.approx(1 / 3, abs=1e-3)
    assert cones(solve) == [("exponential", 1 + 3 * number, 3) for number in range(6)]
    found = rows(solve)
    assert found["constraint 2[0,1]"] == (None, {"y[1]": 1}, None)
    assert found["constraint 2[1,1]"] == (None, {"x[1]": 1}, None)
    assert found["constraint 2[2,1]"] == (None, {"constant": 1}, None)


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS", "COPT"])
def test_semidefinite_cones_are_recorded_in_one_form(full, solver):
    skip_without(solver)
    code = f"""{CP}X = cp.Variable((3, 3), symmetric=True, name="X")
limits = [X - 0.1 * np.eye(3) >> 0, X[0, 1] == 0.5, X[1, 2] >= 0.7, X[0, 2] == -1]
cp.Problem(cp.Minimize(cp.trace(np.diag([1, 2, 3]) @ X)), limits).solve(solver={solver!r})
"""
    solve = recorded(full, code)
    check_solution(solve, 1e-4)
    assert plan(solve)["X[0,1]"] == pytest.approx(0.5, abs=1e-4)
    assert cones(solve) == [("positive_semidefinite", 3, 6)]
    root = pytest.approx(2**0.5)
    assert list(rows(solve).values())[3:] == [
        (None, {"X[0,0]": 1, "constant": -0.1}, None),
        (None, {"X[0,1]": root}, None),
        (None, {"X[0,2]": root}, None),
        (None, {"X[1,1]": 1, "constant": -0.1}, None),
        (None, {"X[1,2]": root}, None),
        (None, {"X[2,2]": 1, "constant": -0.1}, None),
    ]


def test_a_power_cone_is_recorded(full):
    code = f"""{CP}x = cp.Variable(3, name="x")
goal = cp.Maximize(cp.geo_mean(x[:2], p=[1, 3], approx=False))
cp.Problem(goal, [cp.sum(x) <= 4, x >= 0, cp.PowCone3D(x[0], x[1], x[2], 0.4)]).solve(solver="CLARABEL")
"""
    solve = recorded(full, code)
    check_solution(solve)
    assert plan(solve)["x[1]"] == pytest.approx(3, abs=1e-3)
    assert sorted((cone.kind, cone.exponent) for cone in solve.model.cones) == [("power", 0.25), ("power", 0.4)]


@pytest.mark.parametrize("solver", ["HIGHS", "SCIPY", "SCIP", "GUROBI", "COPT"])
def test_integer_variables_and_matrices_are_recorded(full, solver):
    skip_without(solver)
    code = f"""{CP}
flow = cp.Variable((2, 3), boolean=True, name="flow")
z = cp.Variable(2, integer=[(1,)], bounds=[0, 2.5], name="z")
goal = cp.Maximize(cp.sum(cp.multiply(np.array([[1, 2, 3], [4, 5, 6]]), flow)) + cp.sum(z))
cp.Problem(goal, [cp.sum(flow, axis=0) <= 1, flow <= np.array([[1, 1, 1], [1, 1, 0]])]).solve(solver={solver!r})
"""
    solve = recorded(full, code)
    check_solution(solve)
    assert {name: value for name, value in plan(solve).items() if value} == {
        "flow[1,0]": 1,
        "flow[1,1]": 1,
        "flow[0,2]": 1,
        "z[0]": 2.5,
        "z[1]": 2,
    }
    found = rows(solve)
    assert found["constraint 1[2]"] == (None, {"flow[0,2]": 1, "flow[1,2]": 1}, 1)
    assert found["constraint 2[1,2]"] == (None, {"flow[1,2]": 1}, 0)
    assert [solve.variables[number] for number in solve.model.integer][-1] == "z[1]"
    assert len(solve.model.integer) == 7
    assert (set(solve.model.lower), set(solve.model.upper)) == ({0}, {1, 2.5})


def test_a_cone_with_integer_variables_is_recorded(full):
    code = f"{CP}x = cp.Variable(2, integer=True, name='x')\n"
    code += "cp.Problem(cp.Minimize(cp.norm(x - 1.4)), [x[0] >= 2]).solve(solver='SCIP')"
    solve = recorded(full, code)
    check_solution(solve)
    assert (plan(solve)["x[0]"], plan(solve)["x[1]"], solve.model.integer) == (2, 1, (1, 2))


def test_entries_of_structured_variables_have_their_own_indices(full):
    code = f"""{CP}
d, s = cp.Variable((2, 2), diag=True, name="d"), cp.Variable((2, 2), PSD=True, name="s")
u = cp.Variable((3, 3), sparsity=[(2, 0), (0, 1)], name="u")
limits = [cp.diag(d) == [1, 2], s == np.array([[5, 1], [1, 6]]), u[2, 0] == 8, u[0, 1] == 9]
cp.Problem(cp.Minimize(cp.trace(d) + cp.trace(s) + cp.sum(u)), limits).solve(solver="CLARABEL")
"""
    solve = recorded(full, code)
    check_solution(solve)
    expected = {"d[0,0]": 1, "d[1,1]": 2, "s[0,0]": 5, "s[0,1]": 1, "s[1,1]": 6, "u[2,0]": 8, "u[0,1]": 9}
    assert plan(solve) == pytest.approx(expected, abs=1e-5)


def test_each_solve_with_a_parameter_is_recorded_with_its_value(full):
    code = f"""{CP}x, p = cp.Variable(name="x"), cp.Parameter()
problem = cp.Problem(cp.Minimize(x), [x >= p])
for p.value in (2, 3):
    problem.solve(solver="HIGHS")
"""
    solves = read_records(full.run(code, record=True))
    assert [rows(solve) for solve in solves] == [{"constraint 1": (None, {"x": -1}, -value)} for value in (2, 3)]
    for solve in solves:
        check_solution(solve)


@pytest.mark.parametrize("solver", ["HIGHS", "CLARABEL"])
def test_an_infeasible_model_is_recorded_without_a_solution(full, solver):
    code = f"{CP}x = cp.Variable(name='x')\ncp.Problem(cp.Maximize(x), [x <= 1, x >= 2]).solve(solver={solver!r})"
    solve = recorded(full, code)
    assert (solve.report.status, solve.values) == ("infeasible", None)
    assert rows(solve) == {"constraint 1": (None, {"x": 1}, 1), "constraint 2": (None, {"x": -1}, -2)}


@pytest.mark.parametrize(
    ("solve", "reason"),
    [
        ("cp.Problem(cp.Minimize(cp.ceil(x[0])), [x >= 1.2]).solve(qcp=True)", "cvxpy did not solve it as one linear"),
        ("cp.Problem(cp.Minimize(y), [y * y >= 4]).solve(gp=True)", "it is a geometric program"),
        (
            "cp.Problem(cp.Maximize(cp.geo_mean(x, approx=False)), [cp.sum(x) <= 3]).solve(solver='CLARABEL')",
            "it has a power cone of more than three entries",
        ),
        ("cp.Problem(cp.Minimize(3)).solve()", "cvxpy did not solve it as one linear"),
    ],
)
def test_a_problem_that_has_no_such_form_is_not_recorded(full, solve, reason):
    found = recorded(full, f"{CP}x, y = cp.Variable(3), cp.Variable(pos=True)\n{solve}")
    assert (found.report.status, found.model, found.values) == ("optimal", None, None)
    assert found.omitted.startswith(reason)


def test_recording_keeps_nothing_alive(full):
    code = f"""{CP}import gc
x = cp.Variable(3)
problem = cp.Problem(cp.Minimize(cp.norm(x)), [x >= 1])
problem.solve(solver="CLARABEL")
del problem
gc.collect()
print([type(one).__name__ for one in gc.get_objects() if type(one).__name__ in ("ParamConeProg", "InnerSolve")])
"""
    execution = full.run(code, record=True)
    assert (execution.stdout, execution.stderr, len(execution.solve_records)) == ("[]\n", "", 1)
