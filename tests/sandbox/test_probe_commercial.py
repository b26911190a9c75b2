"""Solves with gurobipy and coptpy, under their included licence for small models."""

import pytest

from storm_calm.env.plans.record import TextModel
from support.probe_reports import MARKET, MARKET_COUNTS, SHORT, counts, report, report_and_output, values
from support.solve_records import check_solution, plan, recorded, rows

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


RANGE = {
    "gurobipy": "m.addConstr(10 * x + 15 * y >= 45, name='food')\n",
    "coptpy": "m.addBoundConstr(10 * x + 15 * y, 45, 200, name='food')\n",
}
FOOD = {"gurobipy": (45, None), "coptpy": (45, 200)}
RECORDED = """
x, y = m.addVar(vtype="I", name="chairs"), m.addVar(lb=1, ub=4.5, name="tables")
m.addConstr(5 * x + 20 * y <= 400, name="wood")
m.addConstr(x - y == 2, name="more chairs")
m.setObjective(45 * x + 80 * y + 3, K.MAXIMIZE)
"""


@pytest.mark.parametrize("library", START)
def test_a_solve_is_recorded(full, library):
    solve = recorded(full, f"{START[library]}{RECORDED}{RANGE[library]}solve()")
    check_solution(solve)
    assert plan(solve) == {"chairs": 6, "tables": 4}
    more = {"gurobipy": "more chairs", "coptpy": "more_chairs"}[library]  # COPT replaces spaces itself.
    lower, upper = FOOD[library]
    assert rows(solve) == {
        "wood": (None, {"chairs": 5, "tables": 20}, 400),
        more: (2, {"chairs": 1, "tables": -1}, 2),
        "food": (lower, {"chairs": 10, "tables": 15}, upper),
    }
    assert (solve.model.lower, solve.model.upper, solve.model.integer) == ((0, 1), (None, 4.5), (0,))
    assert (solve.duals, solve.reduced_costs) == (None, None)


def test_gurobis_variable_of_a_range_is_recorded(full):
    code = "x = m.addVar(name='x')\nm.addRange(x, 2, 5, 'side')\nm.setObjective(x)\nsolve()"
    solve = recorded(full, START["gurobipy"] + code)
    check_solution(solve)
    assert plan(solve) == {"x": 2, "Rgside": 3}
    assert rows(solve) == {"side": (5, {"x": 1, "Rgside": 1}, 5)}


@pytest.mark.parametrize("library", START)
@pytest.mark.parametrize(("sense", "sign"), [("MAXIMIZE", 1), ("MINIMIZE", -1)])
def test_an_lp_has_duals_and_reduced_costs(full, library, sense, sign):
    model = (
        RECORDED.replace('vtype="I", ', "")
        .replace("4.5", "4")
        .replace("45 * x + 80 * y", f"{sign} * (45 * x + 80 * y)")
    )
    solve = recorded(full, f"{START[library]}{model.replace('MAXIMIZE', sense)}solve()")
    check_solution(solve)
    assert solve.duals == pytest.approx((0, 45 * sign))
    assert solve.reduced_costs == pytest.approx((0, 125 * sign))


@pytest.mark.parametrize("library", START)
def test_a_quadratic_objective_is_recorded(full, library):
    code = "x, y = m.addVar(ub=3, name='x'), m.addVar(lb=-9, name='y')\nm.addConstr(x + y >= 2)\n"
    code += "m.setObjective(x * x + 2 * x * y + y * x + 3 * y * y - x + 5, K.MINIMIZE)\nsolve()"
    solve = recorded(full, START[library] + code)
    check_solution(solve)
    products = {tuple(sorted((i, j))): a for i, j, a in solve.model.quadratic}
    assert (len(solve.model.quadratic), products) == (3, {(0, 0): 1, (0, 1): 3, (1, 1): 3})
    assert (solve.model.costs, solve.model.offset) == ((-1, 0), 5)


@pytest.mark.parametrize("library", START)
def test_an_infeasible_model_is_recorded_without_a_solution(full, library):
    solve = recorded(full, f"{START[library]}{RECORDED.replace('1, ub=4.5', '19, ub=40')}solve()")
    assert (solve.report.status, solve.values, solve.duals) == ("infeasible", None, None)
    assert len(rows(solve)) == 2


QUADRATIC = """
import os
x, y = m.addVar(ub=4, name="x"), m.addVar(name="y")
{quadratic}
m.setObjective(x + y, K.MAXIMIZE)
solve()
print("FILES", sorted(os.listdir()))
"""


@pytest.mark.parametrize(
    ("library", "quadratic"),
    [
        ("gurobipy", "m.addConstr(x * x + y * y <= 8, name='disc')"),
        ("coptpy", "m.addQConstr(x * x + y * y <= 8, name='disc')"),
    ],
)
def test_a_model_with_a_quadratic_constraint_is_kept_as_text(full, library, quadratic):
    code = START[library] + QUADRATIC.format(quadratic=quadratic)
    solve = recorded(full, code)
    assert {name: round(value, 3) for name, value in plan(solve).items()} == {"x": 2, "y": 2}
    assert solve.omitted == "it has quadratic constraints"
    assert isinstance(solve.model, TextModel)
    assert (solve.model.format, "disc: [" in solve.model.text) == ("lp", True)
    output, silent = full.run(code, record=True).stdout, full.run(code).stdout
    assert output.splitlines()[-1] == "FILES ['main.py']"
    assert len(output.splitlines()) == len(silent.splitlines())


LAZY = {
    "gurobipy": "m.Params.LazyConstraints = 1\nsolve = lambda: m.optimize(lambda m, where: "
    "m.cbLazy(x + y <= 1) if where == g.GRB.Callback.MIPSOL else None)\n",
    "coptpy": "m.addLazyConstr(x + y <= 1)\n",
}


@pytest.mark.parametrize("library", START)
def test_a_model_with_lazy_constraints_is_kept_as_text(full, library):
    code = "x, y = m.addVar(vtype='B'), m.addVar(vtype='B')\nm.setObjective(x + y, K.MAXIMIZE)\n"
    solve = recorded(full, f"{START[library]}{code}{LAZY[library]}solve()")
    assert solve.report.objective == 1
    assert solve.omitted.startswith("it has lazy constraints")
