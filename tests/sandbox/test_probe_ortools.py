"""Solves with OR-Tools beside CP-SAT and the linear solver wrapper: model builder, MathOpt and routing."""

import pytest

from storm_calm.sandbox import Limits
from support.probe_reports import MARKET, MARKET_COUNTS, SHORT, counts, report, report_and_output, values

pytest.importorskip("ortools")

MB = """
from ortools.linear_solver.python import model_builder as b
m = b.Model()
x, y = m.new_int_var(0, 5, "x"), m.new_bool_var("y")
m.add(2 * x + y <= 7.5)
"""
MO = """
from ortools.math_opt.python import mathopt as o
m = o.Model()
x, y = m.add_variable(lb=0, ub=5, is_integer=True), m.add_binary_variable()
m.add_linear_constraint(2 * x + y <= 7.5)
"""
ROUTING = """
from ortools.constraint_solver import pywrapcp, routing_enums_pb2
manager = pywrapcp.RoutingIndexManager(5, 1, 0)
r = pywrapcp.RoutingModel(manager)
far = r.RegisterTransitCallback(lambda a, b: abs(manager.IndexToNode(a) - manager.IndexToNode(b)))
r.SetArcCostEvaluatorOfAllVehicles(far)
p = pywrapcp.DefaultRoutingSearchParameters()
"""


@pytest.mark.parametrize(
    ("name", "expected"), [("scip", "SCIP"), ("sat", "CP-SAT"), ("highs", "HIGHS"), ("glop", "GLOP")]
)
def test_model_builder_is_reported(full, name, expected):
    found = report(full, f"{MB}m.maximize(2 * x + y)\nb.Solver({name!r}).solve(m)")
    assert (found.library, found.solver, found.status) == ("ortools.model_builder", expected, "optimal")
    best = 7.5 if name == "glop" else 7
    assert (found.sense, values(found), counts(found)) == ("maximize", (best, best), (0, 1, 1, 1))


@pytest.mark.parametrize(
    ("model", "status", "sense", "objective"),
    [
        ("m.minimize(2 * x - y)", "optimal", "minimize", -1),
        ("m.add(x >= 6); m.minimize(x)", "infeasible", "minimize", None),
        ("", "optimal", None, None),
    ],
)
def test_model_builder_statuses_and_senses(full, model, status, sense, objective):
    found = report(full, f"{MB}{model}\nb.Solver('scip').solve(m)")
    assert (found.status, found.sense, values(found)[0]) == (status, sense, objective)


@pytest.mark.parametrize(("name", "expected"), [("GSCIP", "SCIP"), ("CP_SAT", "CP-SAT"), ("HIGHS", "HIGHS")])
def test_math_opt_is_reported(full, name, expected):
    found = report(full, f"{MO}m.maximize(2 * x + y)\no.solve(m, o.SolverType.{name})")
    assert (found.library, found.solver, found.status) == ("ortools.math_opt", expected, "optimal")
    assert (found.sense, values(found), counts(found)) == ("maximize", (7, 7), (0, 1, 1, 1))


@pytest.mark.parametrize(
    ("model", "status", "sense", "objective"),
    [
        ("m.minimize(2 * x - y)", "optimal", "minimize", -1),
        ("m.add_linear_constraint(x >= 6); m.minimize(x)", "infeasible", "minimize", None),
        ("m = o.Model(); m.maximize(m.add_variable(lb=0))", "unbounded", "maximize", None),
        ("", "optimal", None, None),
    ],
)
def test_math_opt_statuses_and_senses(full, model, status, sense, objective):
    kind = "HIGHS" if status == "unbounded" else "GSCIP"
    found = report(full, f"{MO}{model}\no.solve(m, o.SolverType.{kind})")
    assert (found.status, found.sense, values(found)[0]) == (status, sense, objective)


def test_the_incremental_solver_reports_each_solve(full):
    code = f"{MO}m.maximize(x)\ns = o.IncrementalSolver(m, o.SolverType.GSCIP)\ns.solve()\nx.upper_bound = 2\ns.solve()"
    assert [found.objective for found in full.run(code).reports] == [3, 2]


@pytest.mark.alone
@pytest.mark.parametrize("kind", ["GSCIP", "CP_SAT"])
def test_a_slow_math_opt_solve_ends_before_the_program_is_stopped(full, kind):
    code = f"""{MARKET}
from ortools.math_opt.python import mathopt as o
m = o.Model()
x = [m.add_binary_variable() for _ in range(COLUMNS)]
s = [m.add_variable(lb=0, ub=9999, is_integer={kind == "CP_SAT"}) for _ in range(2 * ROWS)]
for i in range(ROWS):
    m.add_linear_constraint(sum(a * b for a, b in zip(A[i], x)) + s[i] - s[ROWS + i] == B[i])
m.minimize(sum(s))
p = o.SolveParameters()
o.solve(m, o.SolverType.{kind}, params=p)
print(p.time_limit, p.threads)
"""
    found, output = report_and_output(full, code, SHORT)
    assert (found.status, output) == ("feasible", "None None\n")
    assert found.constraints == MARKET_COUNTS[3]


@pytest.mark.alone
def test_a_slow_model_builder_solve_ends_before_the_program_is_stopped(full):
    code = f"""{MARKET}
from ortools.linear_solver.python import model_builder as b
m = b.Model()
x = [m.new_bool_var("") for _ in range(COLUMNS)]
s = [m.new_num_var(0, 9999, "") for _ in range(2 * ROWS)]
for i in range(ROWS):
    m.add(sum(a * b for a, b in zip(A[i], x)) + s[i] - s[ROWS + i] == B[i])
m.minimize(sum(s))
b.Solver("scip").solve(m)
"""
    found = report(full, code, SHORT)
    assert (found.status, counts(found)) == ("feasible", MARKET_COUNTS)


@pytest.mark.parametrize(
    "solve",
    [
        "r.Solve()",
        "r.SolveWithParameters(p)",
        "r.SolveFromAssignmentWithParameters(r.solver().Assignment(), p)",
    ],
)
def test_routing_finds_but_does_not_prove(full, solve):
    found = report(full, ROUTING + solve)
    assert (found.library, found.status, found.sense) == ("ortools.routing", "feasible", "minimize")
    assert (found.objective, found.bound, found.integer) == (8, None, 5)
    assert found.constraints > 0


def test_a_metaheuristic_gets_a_time_limit(full):
    code = ROUTING + (
        "p.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH\n"
        "print(r.SolveWithParameters(p).ObjectiveValue(), p.HasField('time_limit'))"
    )
    found, output = report_and_output(full, code, Limits(seconds=1))
    assert (found.status, output) == ("feasible", "8 False\n")


def test_an_infeasible_tour_has_no_solution(full):
    code = ROUTING + "r.AddDimension(far, 0, 3, True, 'd')\nprint(r.SolveWithParameters(p))"
    found, output = report_and_output(full, code)
    assert found.status in ("limit", "infeasible")
    assert (found.objective, output) == (None, "None\n")
