"""Solves with highspy."""

import pytest

from storm_calm.env.plans.record import TextModel, read_records
from storm_calm.sandbox import Limits
from support.highs import without_banner
from support.probe_reports import MARKET, MARKET_COUNTS, SHORT, counts, report, report_and_output, values
from support.solve_records import check_solution, plan, recorded, rows

pytestmark = pytest.mark.slow

pytest.importorskip("highspy")

H = "import highspy\nh = highspy.Highs()\nh.silent()\n"
MODEL = H + "x, y = h.addIntegral(lb=0, ub=5), h.addBinary()\nc = h.addConstr(2 * x + y <= 7.5)\n"


@pytest.mark.parametrize(
    ("model", "status", "sense", "objective", "counted"),
    [
        (MODEL + "h.maximize(2 * x + y)", "optimal", "maximize", 7, (0, 1, 1, 1)),
        (MODEL + "h.minimize(2 * x - y)", "optimal", "minimize", -1, (0, 1, 1, 1)),
        (MODEL + "h.run()", "optimal", None, None, (0, 1, 1, 1)),
        (MODEL + "h.addConstr(x >= 6)\nh.minimize(x)", "infeasible", "minimize", None, (0, 1, 1, 2)),
        (H + "x = h.addVariable(lb=1)\nh.minimize(x + 2)", "optimal", "minimize", 3, (1, 0, 0, 0)),
        (H + "x = h.addVariable(lb=1)\nh.maximize(x)", "unbounded", "maximize", None, (1, 0, 0, 0)),
        (MODEL + "h.HandleKeyboardInterrupt = True\nh.maximize(x)", "optimal", "maximize", 3, (0, 1, 1, 1)),
    ],
)
def test_solves(full, model, status, sense, objective, counted):
    found = report(full, model)
    assert (found.library, found.solver, found.status, found.sense) == ("highspy", "HIGHS", status, sense)
    assert (values(found), counts(found)) == ((objective, objective), counted)


def test_repeated_slow_solves_end_before_the_program_is_stopped(full):
    code = f"""{H}{MARKET}
x = [h.addBinary() for _ in range(COLUMNS)]
s = [h.addVariable(lb=0) for _ in range(2 * ROWS)]
for i in range(ROWS):
    h.addConstr(sum(a * b for a, b in zip(A[i], x)) + s[i] - s[ROWS + i] == B[i])
h.setOptionValue("time_limit", 0.5)
h.minimize(sum(s))
print(h.getOptionValue("time_limit")[1])
h.setOptionValue("time_limit", float("inf"))
h.minimize(sum(s))
"""
    execution = full.run(code, limits=Limits(seconds=3))
    assert (execution.status, without_banner(execution.stdout)) == ("ok", "0.5\n")
    first, second = execution.reports
    assert (first.status, counts(first), second.status) == ("feasible", MARKET_COUNTS, "feasible")
    assert first.seconds < 0.9 < second.seconds
    assert second.gap > 0


def test_options_are_restored_and_the_programs_own_are_kept(full):
    code = MODEL + (
        "options = lambda: print(*(h.getOptionValue(name)[1] for name in ('threads', 'time_limit', 'parallel')))\n"
        "h.run(); options()\n"
        "h.setOptionValue('threads', 2); h.setOptionValue('time_limit', 77.0)\n"
        "print(h.run()); options()\n"
    )
    assert without_banner(full.run(code).stdout) == "0 inf choose\nHighsStatus.kOk\n2 77.0 choose\n"


def test_the_program_can_set_the_number_of_threads_after_a_solve(full):
    code = MODEL + "h.run()\ng = highspy.Highs()\ng.silent()\ng.setOptionValue('threads', 2)\n"
    code += "g.addVariable(lb=1)\nprint(g.run())\nprint(h.run(), h.getModelStatus())"
    assert without_banner(full.run(code).stdout) == "HighsStatus.kOk\nHighsStatus.kOk HighsModelStatus.kOptimal\n"


@pytest.mark.alone
def test_a_time_limit_without_a_solution_is_reported(full):
    code = f"{MODEL}h.setOptionValue('time_limit', 0.0)\nh.maximize(x)"
    assert report_and_output(full, code, SHORT)[0].status in ("limit", "optimal")


RECORDED = """
x, y = h.addIntegral(lb=0, name="chairs"), h.addVariable(lb=1, ub=4.5, name="tables")
h.addConstr(5 * x + 20 * y <= 400, name="wood")
h.addRow(45, 200, 2, [0, 1], [10, 15])
h.addConstr(x - y == 2, name="more chairs")
h.maximize(45 * x + 80 * y + 3)
"""
LP = H + RECORDED.replace("addIntegral", "addVariable").replace("4.5", "4")


def test_a_solve_is_recorded(full):
    solve = recorded(full, H + RECORDED)
    check_solution(solve)
    assert plan(solve) == {"chairs": 6, "tables": 4}
    assert rows(solve) == {
        "wood": (None, {"chairs": 5, "tables": 20}, 400),
        "constraint 2": (45, {"chairs": 10, "tables": 15}, 200),
        "more chairs": (2, {"chairs": 1, "tables": -1}, 2),
    }
    assert (solve.model.lower, solve.model.upper, solve.model.integer) == ((0, 1), (None, 4.5), (0,))
    assert (solve.duals, solve.reduced_costs) == (None, None)


def test_variables_without_names_are_recorded(full):
    solve = recorded(full, MODEL + "h.maximize(2 * x + y)\ndel x, y")
    check_solution(solve)
    assert (solve.variables, solve.constraints) == (("x", "y"), ("",))
    lost = recorded(full, MODEL + "h.changeObjectiveSense(highspy.ObjSense.kMaximize)\ndel x, y\nh.run()")
    assert (lost.variables, lost.constraints) == (("", ""), ("",))


@pytest.mark.parametrize(("sense", "sign"), [("maximize", 1), ("minimize", -1)])
def test_an_lp_has_duals_and_reduced_costs(full, sense, sign):
    model = LP.replace("45 * x + 80 * y", f"{sign} * (45 * x + 80 * y)").replace("maximize", sense)
    solve = recorded(full, model)
    check_solution(solve)
    assert solve.duals == pytest.approx((0, 0, 45 * sign))
    assert solve.reduced_costs == pytest.approx((0, 125 * sign))


def test_a_model_stored_by_rows_is_recorded(full):
    execution = full.run(f"{LP}h.ensureRowwise()\nh.setOptionValue('simplex_iteration_limit', 0)\nh.run()", record=True)
    first, second = read_records(execution)
    assert rows(first) == rows(second)


def test_a_quadratic_objective_is_recorded(full):
    code = """
import numpy as np
x, y = h.addVariable(lb=0, ub=3, name="x"), h.addVariable(lb=-9, name="y")
h.addConstr(x + y >= 2)
h.passHessian(2, 3, 1, np.array([0, 2, 3]), np.array([0, 1, 1]), np.array([2.0, 3.0, 6.0]))
h.minimize(5 - x)
"""
    solve = recorded(full, H + code)
    check_solution(solve)
    assert solve.model.quadratic == ((0, 0, 1), (0, 1, 3), (1, 1, 3))
    assert (solve.model.costs, solve.model.offset) == ((-1, 0), 5)


def test_an_infeasible_model_is_recorded_without_a_solution(full):
    solve = recorded(full, H + RECORDED.replace("lb=1, ub=4.5", "lb=19, ub=40"))
    assert (solve.report.status, solve.values, solve.duals) == ("infeasible", None, None)
    assert len(rows(solve)) == 3


def test_a_model_with_semi_continuous_variables_is_kept_as_text(full):
    code = """
import highspy, os
h = highspy.Highs()
x = h.addVariable(lb=2, ub=4, type=highspy.HighsVarType.kSemiContinuous, name="x")
y = h.addVariable(lb=0, ub=5)
h.addConstr(x + y >= 6)
h.minimize(x + 2 * y)
print("MODEL", h.getLp().col_names_, os.listdir())
"""
    solve = recorded(full, code)
    assert solve.values == pytest.approx((4, 2))
    assert solve.omitted == "it has semi-continuous variables"
    assert isinstance(solve.model, TextModel)
    assert (solve.model.format, "semi" in solve.model.text) == ("lp", True)
    output, silent = full.run(code, record=True).stdout, full.run(code).stdout
    assert output.splitlines()[-1] == "MODEL ['x', ''] ['main.py']"
    assert len(output.splitlines()) == len(silent.splitlines())
