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
