"""Solves with PuLP, by solvers that are libraries and by one that runs as a command."""

import pytest

from support.highs import without_banner
from support.probe_reports import MARKET, MARKET_COUNTS, SHORT, counts, report, report_and_output, values
from support.solve_records import check_solution, plan, recorded, rows

pytestmark = pytest.mark.slow

pytest.importorskip("pulp")

SOLVERS = {"PULP_CBC_CMD": "CBC", "HiGHS": "HIGHS", "SCIP_PY": "SCIP", "GUROBI": "GUROBI", "COPT": "COPT"}


def model(sense, cat="Integer", more=""):
    return f"""
import pulp
p = pulp.LpProblem("p", pulp.Lp{sense})
x, y = pulp.LpVariable("x", 0, 5, "{cat}"), pulp.LpVariable("y", 0, 1, "{cat}")
p += 2 * x + y + 10
p += 2 * x + y <= 7.5
{more}
"""


@pytest.mark.parametrize(("name", "expected"), SOLVERS.items())
def test_each_solver_is_reported_once(full, name, expected):
    if name in ("GUROBI", "COPT"):
        pytest.importorskip({"GUROBI": "gurobipy", "COPT": "coptpy"}[name])
    found = report(full, model("Maximize") + f"p.solve(pulp.{name}(msg=False))")
    assert (found.library, found.solver, found.status, found.sense) == ("pulp", expected, "optimal", "maximize")
    assert (found.objective, counts(found)) == (17, (0, 1, 1, 1))


def test_the_default_solver_is_reported_in_every_isolation(sandbox):
    found = report(sandbox, model("Maximize") + "p.solve()")
    assert (found.solver, found.status, found.objective) == ("CBC", "optimal", 17)


@pytest.mark.parametrize("solver", ["PULP_CBC_CMD", "HiGHS"])
@pytest.mark.parametrize(
    ("sense", "more", "status", "objective"),
    [
        ("Maximize", "", "optimal", 17.5),
        ("Minimize", "", "optimal", 10),
        ("Minimize", "p += x >= 9", "infeasible", None),
        ("Maximize", "p = pulp.LpProblem('', pulp.LpMaximize); p += pulp.LpVariable('x', 0)", "unbounded", None),
    ],
)
def test_statuses_and_senses(full, solver, sense, more, status, objective):
    found = report(full, model(sense, "Continuous", more) + f"p.solve(pulp.{solver}(msg=False))")
    assert (found.status, found.sense) == (status, sense.lower())
    assert values(found) == (objective, objective)


def test_a_problem_without_an_objective_has_no_sense(full):
    code = "import pulp\np = pulp.LpProblem()\np += pulp.LpVariable('x', 0, 5) >= 2\np.solve(pulp.HiGHS(msg=False))"
    found = report(full, code)
    assert (found.status, found.sense, found.objective) == ("optimal", None, None)


def test_a_sequence_of_objectives_is_one_report(full):
    found = report(full, model("Maximize") + "p.sequentialSolve([x, y], solver=pulp.HiGHS(msg=False))")
    assert (found.solver, found.status, found.objective) == ("HIGHS", "optimal", 1)


@pytest.mark.alone
@pytest.mark.parametrize("solver", ["PULP_CBC_CMD", "HiGHS"])
def test_a_slow_solve_ends_before_the_program_is_stopped(full, solver):
    code = f"""{MARKET}
import pulp
p = pulp.LpProblem()
x = [pulp.LpVariable(f"x{{i}}", cat="Binary") for i in range(COLUMNS)]
s = [pulp.LpVariable(f"s{{i}}", 0) for i in range(2 * ROWS)]
p += pulp.lpSum(s)
for i in range(ROWS):
    p += pulp.lpDot(A[i], x) + s[i] - s[ROWS + i] == B[i]
solver = pulp.{solver}(msg=False)
p.solve(solver)
print(solver.timeLimit)
"""
    found, output = report_and_output(full, code, SHORT)
    assert (found.status, counts(found), without_banner(output)) == ("feasible", MARKET_COUNTS, "None\n")


def test_the_programs_own_time_limit_is_kept(full):
    code = model("Minimize") + (
        "import subprocess\n"
        "run = subprocess.Popen\n"
        "subprocess.Popen = lambda command, **rest: print('-sec' in command, *command) or run(command, **rest)\n"
        "for solver in pulp.PULP_CBC_CMD(msg=0), pulp.PULP_CBC_CMD(msg=0, timeLimit=77), "
        "pulp.PULP_CBC_CMD(msg=0, options=['sec 66']):\n    p.solve(solver)\n"
    )
    lines = full.run(code).stdout.splitlines()
    assert lines[0].startswith("True")
    assert "-sec 77 " in lines[1]
    assert lines[2].count("-sec") == 1
    assert "-sec 66 " in lines[2]


def test_a_failing_solver_is_reported_as_an_error(full):
    code = model("Minimize") + "p.solve(pulp.COIN_CMD(path='/nowhere'))"
    execution = full.run(code)
    assert execution.status == "error"
    assert [found.status for found in execution.reports] == ["error"]
    assert "probe" not in execution.stderr


@pytest.mark.parametrize("solver", ["PULP_CBC_CMD", "HiGHS", "SCIP_PY"])
def test_an_integer_infeasible_model_is_infeasible(full, solver):
    code = f"""
import pulp
p = pulp.LpProblem("p", pulp.LpMinimize)
x = pulp.LpVariable("x", 0, 10, "Integer")
p += x
p += 2 * x >= 5
p += 2 * x <= 5
p.solve(pulp.{solver}(msg=False))
"""
    assert report(full, code).status == "infeasible"


@pytest.mark.parametrize(("solver", "status"), [("HiGHS", "infeasible"), ("SCIP_PY", "unbounded")])
def test_a_solver_that_is_a_library_is_asked_what_pulp_has_no_word_for(full, solver, status):
    code = (
        "import pulp\np = pulp.LpProblem('p', pulp.LpMaximize)\np += pulp.LpVariable('x', 0, cat='Integer')\n"
        f"p.solve(pulp.{solver}(msg=False))"
    )
    assert report(full, code).status == status


RECORDED = """
import pulp
p = pulp.LpProblem("p", pulp.LpMaximize)
x, y = pulp.LpVariable("chairs", 0, cat="Integer"), pulp.LpVariable("tables", 1, 4.5)
p += 45 * x + 80 * y + 3
p += 5 * x + 20 * y <= 400, "wood"
p += 10 * x + 15 * y >= 45
p += x - y == 2, "more chairs"
p.solve(pulp.PULP_CBC_CMD(msg=0))
"""


def test_a_solve_is_recorded(full):
    solve = recorded(full, RECORDED)
    check_solution(solve)
    assert plan(solve) == {"chairs": 6, "tables": 4}
    assert rows(solve) == {
        "wood": (None, {"chairs": 5, "tables": 20}, 400),
        "constraint 2": (45, {"chairs": 10, "tables": 15}, None),
        "more_chairs": (2, {"chairs": 1, "tables": -1}, 2),
    }
    assert (solve.model.lower, solve.model.upper, solve.model.integer) == ((0, 1), (None, 4.5), (0,))


def test_an_lp_has_duals_and_reduced_costs(full):
    solve = recorded(full, RECORDED.replace(', cat="Integer"', "").replace("1, 4.5", "1, 4"))
    assert solve.duals is not None
    assert dict(zip(solve.constraints, solve.duals, strict=True))["more_chairs"] == 45
    assert solve.reduced_costs == (0, 125)


def test_an_infeasible_model_is_recorded_without_a_solution(full):
    solve = recorded(full, RECORDED.replace("1, 4.5", "19, 40"))
    assert (solve.report.status, solve.values, solve.duals) == ("infeasible", None, None)
    assert len(rows(solve)) == 3
