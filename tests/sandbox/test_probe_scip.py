"""Solves with PySCIPOpt, whose class is written in C and does not allow `setattr`."""

import pytest

from storm_calm.env.plans.record import TextModel
from support.probe_reports import MARKET, MARKET_COUNTS, SHORT, counts, report, report_and_output, values
from support.solve_records import check_solution, plan, recorded, rows

pytestmark = pytest.mark.slow

pytest.importorskip("pyscipopt")

S = "from pyscipopt import Model, quicksum\nm = Model()\nm.hideOutput()\n"
MODEL = S + "x, y = m.addVar(vtype='I', ub=5), m.addVar(vtype='B')\nm.addCons(2 * x + y <= 7.5)\n"


@pytest.mark.parametrize("solve", ["optimize", "optimizeNogil"])
@pytest.mark.parametrize(
    ("model", "status", "sense", "objective", "counted"),
    [
        (MODEL + "m.setObjective(2 * x + y, 'maximize')", "optimal", "maximize", 7, (0, 1, 1, 1)),
        (MODEL + "m.setObjective(2 * x - y)", "optimal", "minimize", -1, (0, 1, 1, 1)),
        (MODEL, "optimal", None, None, (0, 1, 1, 1)),
        (MODEL + "m.addCons(x >= 6)\nm.setObjective(x)", "infeasible", "minimize", None, (0, 1, 1, 2)),
        (S + "m.setObjective(m.addVar(), 'maximize')", "unbounded", "maximize", None, (1, 0, 0, 0)),
    ],
)
def test_solves(full, model, solve, status, sense, objective, counted):
    found = report(full, f"{model}\nm.{solve}()")
    assert (found.library, found.solver, found.status, found.sense) == ("pyscipopt", "SCIP", status, sense)
    assert (values(found), counts(found)) == ((objective, objective), counted)


@pytest.mark.alone
def test_a_slow_solve_ends_in_time_and_the_limit_is_restored(full):
    code = f"""{S}{MARKET}
x = [m.addVar(vtype="B") for _ in range(COLUMNS)]
s = [m.addVar() for _ in range(2 * ROWS)]
for i in range(ROWS):
    m.addCons(quicksum(a * b for a, b in zip(A[i], x)) + s[i] - s[ROWS + i] == B[i])
m.setObjective(quicksum(s))
m.optimize()
print(m.getStatus(), m.getParam("limits/time"))
"""
    found, output = report_and_output(full, code, SHORT)
    assert (found.status, counts(found), output) == ("feasible", MARKET_COUNTS, "timelimit 1e+20\n")


def test_the_programs_own_limit_is_kept(full):
    code = MODEL + "m.setParam('limits/time', 77)\nm.optimize()\nprint(m.getParam('limits/time'))"
    assert full.run(code).stdout == "77.0\n"


def test_solves_of_a_subclass_are_reported(full):
    code = (
        S + "class Mine(Model): pass\nm = Mine()\nm.hideOutput()\nm.addVar(obj=1)\nm.optimize()\nprint(m.getObjVal())"
    )
    found, output = report_and_output(full, code)
    assert (found.objective, output) == (0, "0.0\n")


RECORDED = """
x, y = m.addVar("chairs", "I"), m.addVar("tables", lb=1, ub=4.5)
m.addCons(5 * x + 20 * y <= 400, "wood")
m.addCons((10 * x + 15 * y >= 45) <= 200, "food")
m.addCons(x - y == 2)
m.setObjective(45 * x + 80 * y + 3, "maximize")
"""
FOR_DUALS = """
from pyscipopt import SCIP_PARAMSETTING
m.setPresolve(SCIP_PARAMSETTING.OFF)
m.setHeuristics(SCIP_PARAMSETTING.OFF)
m.disablePropagation()
"""
LP = S + RECORDED.replace('"I"', '"C"').replace("4.5", "4")


def test_a_solve_is_recorded(sandbox):
    solve = recorded(sandbox, f"{S}{RECORDED}m.optimize()")
    check_solution(solve)
    assert plan(solve) == {"chairs": 6, "tables": 4}
    assert rows(solve) == {
        "wood": (None, {"chairs": 5, "tables": 20}, 400),
        "food": (45, {"chairs": 10, "tables": 15}, 200),
        "c3": (2, {"chairs": 1, "tables": -1}, 2),
    }
    assert (solve.model.lower, solve.model.upper, solve.model.integer) == ((0, 1), (None, 4.5), (0,))


@pytest.mark.parametrize(("sense", "sign"), [("maximize", 1), ("minimize", -1)])
def test_an_lp_has_duals_and_reduced_costs_if_nothing_was_presolved(full, sense, sign):
    model = LP.replace("45 * x + 80 * y", f"{sign} * (45 * x + 80 * y)").replace("maximize", sense)
    solve = recorded(full, f"{model}{FOR_DUALS}m.optimize()")
    check_solution(solve)
    assert solve.duals == pytest.approx((0, 0, 45 * sign))
    assert solve.reduced_costs == pytest.approx((0, 125 * sign))


def test_the_duals_of_a_presolved_lp_are_not_recorded(full):
    solve = recorded(full, f"{LP}m.optimize()")
    check_solution(solve)
    assert (solve.duals, solve.reduced_costs) == (None, None)


def test_variables_with_equal_names_are_kept_apart(full):
    code = "x, y = m.addVar('x'), m.addVar('x', ub=3)\nm.addCons(x + 2 * y >= 8)\nm.setObjective(x + y)\nm.optimize()"
    solve = recorded(full, S + code)
    check_solution(solve)
    assert (solve.variables, solve.values) == (("x", "x"), (2, 3))


def test_an_infeasible_model_is_recorded_without_a_solution(full):
    solve = recorded(full, f"{S}{RECORDED.replace('lb=1, ub=4.5', 'lb=19, ub=40')}m.optimize()")
    assert (solve.report.status, solve.values, solve.duals) == ("infeasible", None, None)
    assert len(rows(solve)) == 3


def test_a_model_with_other_constraints_is_kept_as_text(sandbox):
    code = """
from pyscipopt import Model
import os
m = Model()
x, y = m.addVar("x", ub=4), m.addVar("y")
m.addCons(x * x + y * y <= 8, "disc")
m.addConsSOS1([x, y])
m.addConsSOS1([x, y])
m.setObjective(x + 2 * y, "maximize")
m.optimize()
print("FILES", os.listdir())
"""
    solve = recorded(sandbox, code)
    assert {name: round(value, 3) for name, value in plan(solve).items()} == {"x": 0, "y": 2.828}
    assert solve.omitted == "it has SOS1 constraints and nonlinear constraints"
    assert isinstance(solve.model, TextModel)
    assert (solve.model.format, "[nonlinear] <disc>:" in solve.model.text) == ("cip", True)
    execution = sandbox.run(code, record=True)
    assert (execution.stdout.splitlines()[-1], execution.stderr) == ("FILES ['main.py']", "")


def test_a_model_with_a_constraint_handler_of_the_program_is_kept_as_text(full):
    code = f"{S}{RECORDED}from pyscipopt import Conshdlr\nclass Cuts(Conshdlr): pass\nm.optimize()"
    assert recorded(full, code).omitted == "it has a constraint handler"
