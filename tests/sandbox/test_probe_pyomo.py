"""Solves with Pyomo: classic interfaces, appsi and contrib.solver."""

import pytest

from storm_calm.sandbox import Limits
from support.probe_reports import MARKET, MARKET_COUNTS, SHORT, counts, report, values
from support.solve_records import check_solution, plan, recorded, rows

pytestmark = pytest.mark.slow

pytest.importorskip("pyomo")

MODEL = """
from pyomo.environ import *
m = ConcreteModel()
m.x = Var(domain=NonNegativeIntegers, bounds=(0, 5))
m.y = Var(domain=Binary)
m.z = Var(bounds=(0, 1))
m.c = Constraint(expr=2 * m.x + m.y <= 7.5)
m.o = Objective(expr=m.x + m.y + m.z, sense=maximize)
"""
NEEDS = {"GUROBI": "gurobipy", "SCIP": "pyscipopt", "HIGHS": "highspy"}


@pytest.mark.parametrize(
    ("solve", "expected"),
    [
        ("SolverFactory('appsi_highs').solve(m)", "HIGHS"),
        ("SolverFactory('highs').solve(m)", "HIGHS"),
        ("SolverFactory('gurobi_direct').solve(m)", "GUROBI"),
        ("SolverFactory('scip_direct').solve(m)", "SCIP"),
        ("import pyomo.contrib.appsi.solvers as a\na.Highs().solve(m)", "HIGHS"),
        ("from pyomo.contrib.solver.common.factory import SolverFactory as F\nF('highs').solve(m)", "HIGHS"),
        ("import pulp\nSolverFactory('cbc', executable=pulp.PULP_CBC_CMD().path).solve(m)", "CBC"),
    ],
)
def test_each_interface_is_reported_once(full, solve, expected):
    pytest.importorskip(NEEDS.get(expected, "pulp"))
    found = report(full, MODEL + solve)
    assert (found.library, found.solver, found.status, found.sense) == ("pyomo", expected, "optimal", "maximize")
    assert (values(found), counts(found)) == ((5, 5), (1, 1, 1, 1))


@pytest.mark.parametrize("solver", ["appsi_highs", "highs"])
@pytest.mark.parametrize(
    ("change", "status", "sense", "objective"),
    [
        ("m.o.sense = minimize", "optimal", "minimize", 0),
        ("m.d = Constraint(expr=m.x >= 6)", "infeasible", "maximize", None),
        ("m.v = Var(bounds=(0, None)); m.o.expr = m.v; m.x.domain = m.y.domain = Reals", "unbounded", "maximize", None),
        ("m.y.fix(0)", "optimal", "maximize", 4),
    ],
)
def test_statuses_and_senses_also_if_the_library_raises(full, solver, change, status, sense, objective):
    solve = f"try: SolverFactory({solver!r}).solve(m)\nexcept Exception as error: print(type(error))"
    found = report(full, f"{MODEL}{change}\n{solve}")
    assert (found.status, found.sense, values(found)[0]) == (status, sense, objective)


SLOW = f"""{MARKET}
from pyomo.environ import *
m = ConcreteModel()
m.x = Var(range(COLUMNS), domain=Binary)
m.s = Var(range(2 * ROWS), domain=NonNegativeReals)
def row(m, i):
    return sum(A[i][j] * m.x[j] for j in range(COLUMNS)) + m.s[i] - m.s[ROWS + i] == B[i]
m.c = Constraint(range(ROWS), rule=row)
m.o = Objective(expr=sum(m.s[i] for i in range(2 * ROWS)))
"""
CBC = "import pulp\ns = SolverFactory('cbc', executable=pulp.PULP_CBC_CMD().path)\n"


@pytest.mark.alone
@pytest.mark.parametrize("solver", ["appsi_highs", "cbc"])
def test_a_slow_solve_ends_before_the_program_is_stopped(full, solver):
    solve = f"{CBC}s.solve(m)" if solver == "cbc" else f"SolverFactory({solver!r}).solve(m)"
    found = report(full, SLOW + solve, SHORT if solver != "cbc" else Limits(seconds=4, memory_mb=1024))
    assert (found.status, counts(found)) == ("feasible", MARKET_COUNTS)


@pytest.mark.parametrize("limit", ["s.solve(m, timelimit=0.4)", "s.options['sec'] = 0.4; s.solve(m)"])
def test_cbc_at_its_limit_is_not_reported_as_optimal(full, limit):
    code = f"{SLOW}{CBC}{limit}\nassert 'timeMode' not in s.options"
    assert {report(full, code).status for _ in range(4)} == {"feasible"}


def test_asking_which_solvers_are_available_is_not_a_solve(full):
    code = """
import io
from contextlib import redirect_stderr, redirect_stdout
import pyomo.contrib.appsi.solvers as appsi
from pyomo.contrib.solver.common.factory import SolverFactory as Newer
from pyomo.environ import *
found = set()
with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
    for factory in SolverFactory, Newer:
        for name in list(factory._cls):
            try:
                found |= {name} if factory(name).available() else set()
            except Exception:
                pass
    available = bool(appsi.Gurobi().available()), bool(appsi.Highs().available())
print(len(found) > 3, "highs" in found, available[1])
"""
    execution = full.run(code, limits=Limits(seconds=60, memory_mb=2048))
    assert (execution.status, execution.reports) == ("ok", ())
    assert execution.stdout.endswith("True True True\n")


@pytest.mark.parametrize("solver", ["glpk", "cbc", "ipopt"])
def test_a_solver_that_is_not_installed_leaves_no_report(full, solver):
    execution = full.run(f"{MODEL}SolverFactory({solver!r}).solve(m)")
    assert (execution.status, execution.reports) == ("error", ())


@pytest.mark.parametrize("solver", ["appsi_highs", "highs"])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("m.x.fix(3); m.y.fix(1); m.z.fix(0)", (None, (0, 0, 0, 1), 0)),
        ("m.z.setlb(1)", (5, (1, 1, 1, 1), 1)),
        ("m.o.expr = 42", (None, (1, 1, 1, 1), 0)),
    ],
)
def test_what_is_fixed_and_a_constant_objective_can_be_recognized(full, solver, change, expected):
    solve = f"try: SolverFactory({solver!r}).solve(m)\nexcept Exception as error: print(type(error))"
    found = report(full, f"{MODEL}{change}\n{solve}")
    objective = None if found.objective is None else round(found.objective, 4)
    assert (objective, counts(found), found.fixed) == expected


RECORDED = """
from pyomo.environ import *
m = ConcreteModel()
m.x = Var(["chairs", "tables"], domain=NonNegativeIntegers, bounds=(0, 9))
m.waste, m.unused, m.price = Var(bounds=(0, None)), Var(), Var(initialize=2)
m.price.fix()
m.wood = Constraint(expr=inequality(10, 5 * m.x["chairs"] + 20 * m.x["tables"] + m.price, 70))
m.hours = Constraint(expr=m.x["chairs"] + m.waste == 3 * m.price)
m.holds = Constraint(expr=m.price <= 3)
m.more = ConstraintList()
m.more.add(m.x["tables"] >= m.x["chairs"] - 4)
m.o = Objective(expr=20 * m.price * (m.x["chairs"] + 1) + 30 * m.x["tables"] - m.waste, sense=maximize)
"""
INTERFACES = ["appsi_highs", "highs", "gurobi_direct", "scip_direct", "cbc"]


def solve_with(interface, more=""):
    pytest.importorskip(
        {"gurobi_direct": "gurobipy", "scip_direct": "pyscipopt", "cbc": "pulp"}.get(interface, "highspy")
    )
    return f"{CBC}s.solve(m{more})" if interface == "cbc" else f"SolverFactory({interface!r}).solve(m{more})"


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("more", ["", ", load_solutions=False"])
def test_a_solve_is_recorded_also_if_its_solution_is_not_loaded(full, interface, more):
    solve = recorded(full, f"{RECORDED}m.x['tables'].value = 1\n{solve_with(interface, more)}")
    check_solution(solve)
    assert plan(solve) == {"x[chairs]": 5, "x[tables]": 2, "waste": 1}
    assert rows(solve) == {
        "wood": (8, {"x[chairs]": 5, "x[tables]": 20}, 68),
        "hours": (6, {"x[chairs]": 1, "waste": 1}, 6),
        "more[1]": (None, {"x[chairs]": 1, "x[tables]": -1}, 4),
    }
    assert (solve.model.costs, solve.model.offset) == ((40, 30, -1), 40)
    assert (solve.model.lower, solve.model.upper, solve.model.integer) == ((0, 0, 0), (9, 9, None), (0, 1))


@pytest.mark.parametrize(
    "solve",
    [
        "import pyomo.contrib.appsi.solvers as a\ns = a.Highs()\ns.config.load_solution = False\ns.solve(m)",
        "from pyomo.contrib.solver.common.factory import SolverFactory as F\nF('highs').solve(m, load_solutions=False)",
    ],
)
def test_a_solution_that_a_newer_interface_did_not_load_is_recorded(full, solve):
    found = recorded(full, f"{RECORDED}m.x['tables'].value = 1\n{solve}\nassert m.x['tables'].value == 1")
    check_solution(found)
    assert plan(found) == {"x[chairs]": 5, "x[tables]": 2, "waste": 1}


LP = """
from pyomo.environ import *
m = ConcreteModel()
m.x, m.y = Var(bounds=(0, 4)), Var(bounds=(0, 4))
m.dual, m.rc = Suffix(direction=Suffix.IMPORT), Suffix(direction=Suffix.IMPORT)
m.c = Constraint(expr=m.x + m.y <= 5)
m.d = Constraint(expr=inequality(-1, m.x - m.y, 9))
m.o = Objective(expr=2 * m.x + m.y + 3, sense=maximize)
"""


@pytest.mark.parametrize("interface", [name for name in INTERFACES if name != "scip_direct"])
def test_an_lp_with_suffixes_has_duals_and_reduced_costs(full, interface):
    solve = recorded(full, LP + solve_with(interface))
    check_solution(solve)
    assert (solve.constraints, solve.duals, solve.reduced_costs) == (("c", "d"), (1, 0), (1, 0))


@pytest.mark.parametrize(
    ("change", "more"), [("del m.dual, m.rc", ""), ("m.x.domain = Integers", ""), ("", ", load_solutions=False")]
)
def test_other_solves_have_no_duals(full, change, more):
    solve = recorded(full, f"{LP}{change}\n{solve_with('cbc', more)}")
    assert (plan(solve), solve.duals, solve.reduced_costs) == ({"x": 4, "y": 1}, None, None)


QP = """
from pyomo.environ import *
m = ConcreteModel()
m.x, m.y, m.three = Var(bounds=(-10, 4)), Var(bounds=(-10, 4)), Var(initialize=3)
m.three.fix()
m.c = Constraint(expr=m.x + m.y >= 1)
m.o = Objective(expr=(m.x - 1) ** 2 + 2 * (m.y + m.three) ** 2 + m.x * m.y / 2 + m.x * m.three + 4)
"""


def test_a_quadratic_objective_is_recorded(full):
    solve = recorded(full, QP + solve_with("scip_direct"))
    check_solution(solve)
    assert plan(solve) == pytest.approx({"x": 2.9, "y": -1.9}, abs=1e-3)
    assert solve.model.quadratic == ((0, 0, 1), (1, 1, 2), (0, 1, 0.5))
    assert (solve.model.costs, solve.model.offset) == ((1, 12), 23)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("m.q = Constraint(expr=m.x ** 2 <= 4)", "it has nonlinear expressions"),
        ("m.q = Constraint(expr=exp(m.x) <= 7)", "it has nonlinear expressions"),
        ("m.o.expr = m.x ** 4", "it has nonlinear expressions"),
        ("m.z = Var([1, 2], bounds=(0, 1)); m.q = SOSConstraint(var=m.z, sos=1)", "it has special ordered sets"),
    ],
)
def test_of_other_models_only_the_solution_is_recorded(full, change, reason):
    solve = recorded(full, f"{QP}m.unused = Var(initialize=5)\n{change}\n{solve_with('scip_direct')}")
    assert (solve.report.status, solve.model, solve.omitted) == ("optimal", None, reason)
    assert set(plan(solve)) - {"z[1]", "z[2]"} == {"x", "y"}
    assert solve.constraints[0] == "c"


def test_an_infeasible_model_is_recorded_without_a_solution(full):
    change = "m.bad = Constraint(expr=m.price >= 3)\nm.x['chairs'].value = m.x['tables'].value = 1"
    for more in "", "m.bad.deactivate(); m.hours.deactivate(); m.more.add(m.x['tables'] >= 5)":
        solve = recorded(full, f"{RECORDED}{change}\n{more}\n{solve_with('highs', ', load_solutions=False')}")
        assert (solve.report.status, solve.values) == ("infeasible", None)
        assert ("bad" in rows(solve)) == (not more)


def test_a_model_of_blocks_without_an_objective_is_recorded(full):
    code = """
from pyomo.environ import *
m = ConcreteModel()
m.shared = Var(bounds=(1, 4))
m.b = Block([1, 2])
for i in 1, 2:
    m.b[i].on = Var(domain=Binary)
    m.b[i].c = Constraint(expr=m.shared <= 2 * m.b[i].on + i - 1)
m.b[2].deactivate()
"""
    solve = recorded(full, code + solve_with("highs"))
    assert (solve.report.sense, set(plan(solve))) == (None, {"shared", "b[1].on"})
    assert rows(solve) == {"b[1].c": (None, {"shared": 1, "b[1].on": -2}, 0)}
    alone = recorded(full, code + "SolverFactory('highs').solve(m.b[1])")
    assert set(plan(alone)) == {"shared", "b[1].on"}


def test_recording_prints_nothing_and_keeps_the_model(full):
    code = f"""{RECORDED}
m.p = Param(initialize=0, mutable=True)
m.more.add(m.p * m.waste <= 4)
def state():
    return [(v.name, v.fixed, v.bounds) for v in m.component_data_objects(Var)], str(m.o.expr), str(m.wood.expr)
before = state()
{solve_with("highs")}
assert state() == before
"""
    execution = full.run(code, record=True)
    assert (execution.status, execution.stdout, execution.stderr) == ("ok", "", "")
