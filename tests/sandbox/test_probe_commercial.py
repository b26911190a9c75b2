"""Solves with gurobipy and coptpy, under their included licence for small models."""

import pytest

from support.probe_reports import MARKET, MARKET_COUNTS, SHORT, counts, report, report_and_output, values

pytestmark = pytest.mark.slow

pytest.importorskip("gurobipy")
pytest.importorskip("coptpy")

START = {
    "gurobipy": "import gurobipy as g\nfrom gurobipy import GRB as K\nm = g.Model()\nsolve = m.optimize\n",
    "coptpy": "import coptpy as g\nfrom coptpy import COPT as K\nm = g.Envr().createModel()\nsolve = m.solve\n",
}
SOLVER = {"gurobipy": "GUROBI", "coptpy": "COPT"}
MODEL = "x, y = m.addVar(ub=5, vtype='I'), m.addVar(vtype='B')\nm.addConstr(2 * x + y <= 7.5)\n"


@pytest.mark.parametrize("library", START)
@pytest.mark.parametrize(
    ("model", "status", "sense", "objective", "counted"),
    [
        (MODEL + "m.setObjective(2 * x + y, K.MAXIMIZE)", "optimal", "maximize", 7, (0, 1, 1, 1)),
        (MODEL + "m.setObjective(2 * x - y, K.MINIMIZE)", "optimal", "minimize", -1, (0, 1, 1, 1)),
        (MODEL, "optimal", None, None, (0, 1, 1, 1)),
        (MODEL + "m.addConstr(x >= 6)\nm.setObjective(x, K.MINIMIZE)", "infeasible", "minimize", None, (0, 1, 1, 2)),
        ("x = m.addVar(lb=1)\nm.setObjective(x + 2, K.MINIMIZE)", "optimal", "minimize", 3, (1, 0, 0, 0)),
    ],
)
def test_solves(full, library, model, status, sense, objective, counted):
    found = report(full, f"{START[library]}{model}\nsolve()")
    assert (found.library, found.solver, found.status, found.sense) == (library, SOLVER[library], status, sense)
    assert (values(found), counts(found)) == ((objective, objective), counted)


@pytest.mark.alone
@pytest.mark.parametrize("library", START)
def test_a_slow_solve_ends_in_time_and_the_settings_are_restored(full, library):
    settings = {
        "gurobipy": "print('SETTINGS', m.Params.Threads, m.Params.TimeLimit)",
        "coptpy": "print('SETTINGS', m.getParam('Threads'), m.getParam('TimeLimit'))",
    }
    code = f"""{START[library]}{MARKET}
x = [m.addVar(vtype="B") for _ in range(COLUMNS)]
s = [m.addVar() for _ in range(2 * ROWS)]
for i in range(ROWS):
    m.addConstr(g.quicksum(a * b for a, b in zip(A[i], x)) + s[i] - s[ROWS + i] == B[i])
m.setObjective(g.quicksum(s), K.MINIMIZE)
solve()
{settings[library]}
"""
    found, output = report_and_output(full, code, SHORT)
    assert (found.status, counts(found)) == ("feasible", MARKET_COUNTS)
    assert output.splitlines()[-1] == {"gurobipy": "SETTINGS 0 inf", "coptpy": "SETTINGS -1 1e+20"}[library]
    assert "et parameter" not in output
    assert "etting parameter" not in output


@pytest.mark.parametrize("library", START)
def test_the_programs_own_settings_are_kept(full, library):
    code = f"{START[library]}{MODEL}m.setParam('Threads', 2)\nm.setParam('TimeLimit', 77)\nsolve()\n"
    ask = {
        "gurobipy": "m.Params.Threads, m.Params.TimeLimit",
        "coptpy": "m.getParam('Threads'), m.getParam('TimeLimit')",
    }
    output = full.run(f"{code}print({ask[library]})").stdout
    assert output.splitlines()[-1] == "2 77.0"


@pytest.mark.parametrize("library", START)
def test_a_model_over_the_licences_size_is_an_error(full, library):
    code = f"{START[library]}v = m.addVars(2500, vtype='B')\n"
    code += "for i in range(2499): m.addConstr(v[i] + v[i + 1] >= 1)\nsolve()"
    execution = full.run(code)
    assert (execution.status, [found.status for found in execution.reports]) == ("error", ["error"])
