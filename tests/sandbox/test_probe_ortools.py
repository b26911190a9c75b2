"""Solves with OR-Tools beside CP-SAT and the linear solver wrapper: model builder, MathOpt and routing."""

import pytest

from storm_calm.sandbox import Limits
from support.probe_reports import MARKET, MARKET_COUNTS, SHORT, counts, report, report_and_output, values
from support.solve_records import check_solution, plan, recorded, rows

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


MB_PLAN = """
from ortools.linear_solver.python import model_builder as b
m = b.Model()
x, y = m.new_int_var(0, 5, "chairs"), m.new_num_var(0, 3, None)
m.add(2 * x + y + 1 <= 7.5, "wood")
m.add(x - y == 1)
m.add_linear_constraint(x + y, lb=1, ub=9, name="both")
m.maximize(2 * x + y + 10)
"""


@pytest.mark.parametrize("name", ["scip", "sat"])
def test_a_model_builder_solve_is_recorded(full, name):
    solve = recorded(full, f"{MB_PLAN}b.Solver({name!r}).solve(m)")
    check_solution(solve)
    assert plan(solve) == {"chairs": 2, "variable 2": 1}
    assert rows(solve) == {
        "wood": (None, {"chairs": 2, "variable 2": 1}, 6.5),
        "constraint 2": (1, {"chairs": 1, "variable 2": -1}, 1),
        "both": (1, {"chairs": 1, "variable 2": 1}, 9),
    }
    assert (solve.model.lower, solve.model.upper, solve.model.integer) == ((0, 0), (5, 3), (0,))
    assert (solve.duals, solve.reduced_costs) == (None, None)


MB_LP = """
from ortools.linear_solver.python import model_builder as b
import pandas
m = b.Model()
x = m.new_num_var_series(name="x", index=pandas.Index(["a", "b"]), lower_bounds=0, upper_bounds=4)
m.add(x.sum() <= 5, "sum")
m.add(x["a"] - x["b"] >= -1, "difference")
m.maximize(2 * x["a"] + x["b"] + 3)
"""


# HiGHS reports the values of the rows as their duals (ortools 9.15).
@pytest.mark.parametrize(("name", "duals", "costs"), [("glop", (1, 0), (1, 0)), ("highs", None, None)])
def test_a_model_builder_lp_has_duals_and_reduced_costs(full, name, duals, costs):
    solve = recorded(full, f"{MB_LP}b.Solver({name!r}).solve(m)")
    check_solution(solve)
    assert plan(solve) == {"x[a]": 4, "x[b]": 1}
    assert (solve.duals, solve.reduced_costs) == (duals, costs)


def test_a_model_with_enforced_constraints_is_kept_as_text(full):
    solve = recorded(
        full, f"{MB_PLAN}z = m.new_bool_var('z')\nm.add_enforced(x <= 1, z, True)\nb.Solver('scip').solve(m)"
    )
    assert plan(solve) == {"chairs": 2, "variable 2": 1, "z": 0}
    assert (solve.model.format, solve.omitted) == ("textproto", "it has enforced constraints")
    assert "indicator_constraint" in solve.model.text


MO_PLAN = """
from ortools.math_opt.python import mathopt as o
m = o.Model()
x, gone = m.add_integer_variable(lb=0, ub=5, name="chairs"), m.add_variable()
y = m.add_variable(lb=0, ub=3, name="waste")
m.add_linear_constraint(2 * x + gone + y + 1 <= 7.5, name="wood")
dropped = m.add_linear_constraint(x <= 0)
m.add_linear_constraint(x - y == 1)
m.add_linear_constraint(lb=1, expr=x + y, ub=9, name="both")
m.delete_variable(gone)
m.delete_linear_constraint(dropped)
m.maximize(2 * x + y + 10)
"""


@pytest.mark.parametrize(
    "solve", ["o.solve(m, o.SolverType.GSCIP)", "o.IncrementalSolver(m, o.SolverType.HIGHS).solve()"]
)
def test_a_math_opt_solve_is_recorded(full, solve):
    found = recorded(full, MO_PLAN + solve)
    check_solution(found)
    assert plan(found) == {"chairs": 2, "waste": 1}
    assert rows(found) == {
        "wood": (None, {"chairs": 2, "waste": 1}, 6.5),
        "constraint 2": (1, {"chairs": 1, "waste": -1}, 1),
        "both": (1, {"chairs": 1, "waste": 1}, 9),
    }
    assert (found.model.lower, found.model.upper, found.model.integer) == ((0, 0), (5, 3), (0,))


MO_LP = """
from ortools.math_opt.python import mathopt as o
m = o.Model()
x, y = m.add_variable(lb=0, ub=4, name="x"), m.add_variable(lb=0, ub=3, name="y")
m.add_linear_constraint(x + y <= 5)
m.add_linear_constraint(x - y >= -1)
m.maximize(2 * x + y + 3)
"""


@pytest.mark.parametrize("kind", ["GLOP", "HIGHS"])
def test_a_math_opt_lp_has_duals_and_reduced_costs(full, kind):
    solve = recorded(full, f"{MO_LP}o.solve(m, o.SolverType.{kind})")
    check_solution(solve)
    assert (plan(solve), solve.duals, solve.reduced_costs) == ({"x": 4, "y": 1}, (1, 0), (1, 0))


@pytest.mark.parametrize("kind", ["PDLP", "GSCIP"])
def test_a_quadratic_objective_is_recorded(full, kind):
    solve = recorded(full, f"{MO_LP}m.minimize(x * x - x * 4 + y * y - y + 1)\no.solve(m, o.SolverType.{kind})")
    check_solution(solve)
    assert plan(solve) == pytest.approx({"x": 2, "y": 0.5}, abs=1e-2)
    assert (solve.model.quadratic, solve.model.costs, solve.model.offset) == (((0, 0, 1), (1, 1, 1)), (-4, -1), 1)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("m.add_indicator_constraint(indicator=z, implied_constraint=x <= 1)", "it has indicator constraints"),
        ("m.add_quadratic_constraint(x * x <= 4 + 12 * z)", "it has quadratic constraints"),
    ],
)
def test_other_math_opt_models_are_kept_as_text(full, part, reason):
    code = f"{MO_LP}z = m.add_binary_variable(name='z')\n{part}\nm.maximize(2 * x + y)\no.solve(m, o.SolverType.GSCIP)"
    solve = recorded(full, code)
    assert solve.omitted == reason
    assert {name: plan(solve)[name] for name in "xy"} == pytest.approx({"x": 4, "y": 1}, abs=1e-3)
    assert reason.split()[2] in solve.model.text


@pytest.mark.parametrize(
    "code",
    [
        f"{MB_PLAN}m.add(x >= 5)\nb.Solver('scip').solve(m)",
        f"{MB_LP}m.add(x['a'] >= 5)\nb.Solver('glop').solve(m)",
        f"{MO_PLAN}m.add_linear_constraint(x >= 5)\no.solve(m, o.SolverType.GSCIP)",
        f"{MO_LP}m.add_linear_constraint(x >= 5)\no.solve(m, o.SolverType.GLOP)",
    ],
)
def test_an_infeasible_model_is_recorded_without_a_solution(full, code):
    solve = recorded(full, code)
    assert (solve.report.status, solve.values, solve.duals) == ("infeasible", None, None)
    assert len(rows(solve)) > 2


def test_a_tour_is_recorded_without_a_model(full):
    solve = recorded(full, ROUTING + "print(r.SolveWithParameters(p))")
    assert set(plan(solve)) == {f"next[{index}]" for index in range(5)}
    assert sorted(plan(solve).values()) == [1, 2, 3, 4, 5]  # 5 is the end of the route.
    assert (solve.model, solve.omitted) == (None, "a routing model is given by functions, which cannot be recorded")
    none = recorded(full, ROUTING + "r.AddDimension(far, 0, 3, True, 'd')\nr.SolveWithParameters(p)")
    assert (none.values, len(none.variables)) == (None, 5)
