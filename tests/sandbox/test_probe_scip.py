"""Solves with PySCIPOpt, whose class is written in C and does not allow `setattr`."""

import pytest

from support.probe_reports import MARKET, MARKET_COUNTS, SHORT, counts, report, report_and_output, values

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
