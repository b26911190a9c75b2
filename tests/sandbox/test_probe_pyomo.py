"""Solves with Pyomo: classic interfaces, appsi and contrib.solver."""

import pytest

from storm_calm.sandbox import Limits
from support.probe_reports import MARKET, MARKET_COUNTS, SHORT, counts, report, values

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
