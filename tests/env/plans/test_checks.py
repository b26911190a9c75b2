"""The check of recorded solves: what a program could forge, and what real solvers do."""

import dataclasses
import json

import pytest

from storm_calm.env.plans.checks import check, confirm
from storm_calm.env.plans.record import read_records
from storm_calm.env.plans.second_solver import SecondSolve
from storm_calm.sandbox import Execution
from support.linear_models import linear_model
from support.linear_models import recorded as recorded_model

KNAPSACK = """
import pulp
p = pulp.LpProblem("p", pulp.LpMaximize)
x = [pulp.LpVariable(f"take_{i}", cat="Binary") for i in range(4)]
p += pulp.lpSum(v * one for v, one in zip([9, 7, 4, 8], x))
p += pulp.lpSum(w * one for w, one in zip([5, 4, 2, 5], x)) <= 9, "weight"
p.solve(pulp.PULP_CBC_CMD(msg=0))
"""
CP_SAT = """
from ortools.sat.python import cp_model
m = cp_model.CpModel()
x, y = m.new_int_var(0, 9, "x"), m.new_int_var(0, 9, "y")
m.add(3 * x + 2 * y <= 17).with_name("hours")
m.maximize(4 * x + 3 * y)
cp_model.CpSolver().solve(m)
"""


@pytest.fixture(scope="module")
def recorded(sandbox):
    """Runs a program and returns its execution."""
    return lambda code: sandbox.run(code, record=True)


def only(execution):
    [solve] = read_records(execution)
    return solve


def forged(execution, change, **report):
    """Return the execution with a changed record, and with a report that a program may have forged to fit it."""
    data = json.loads(execution.solve_records[0])
    data["report"] |= report
    change(data)
    reports = tuple(dataclasses.replace(one, **report) for one in execution.reports)
    return dataclasses.replace(execution, reports=reports, solve_records=(json.dumps(data),))


@pytest.mark.parametrize("code", [KNAPSACK, CP_SAT], ids=["linear", "cp_sat"])
def test_an_honest_plan_passes_and_is_confirmed(recorded, sandbox, code):
    solve = only(recorded(code))
    found = check(solve)
    assert (found.outcome, found.faults, found.confirmed) == ("passed", (), "")
    assert found.objective == solve.report.objective
    assert confirm(found, solve, sandbox).confirmed == ("HiGHS" if code == KNAPSACK else "CP-SAT")


def test_a_forged_solution_with_the_right_objective_violates_a_constraint(recorded):
    def change(data):
        data["values"] = [1.0, 0.0, 1.0, 0.375]  # 16, as the optimum.

    found = check(only(forged(recorded(KNAPSACK), change)))
    assert found.outcome == "failed"
    assert "take_3 must be whole, and is 0.375 away from it" in found.faults

    def over(data):
        data["values"] = [1.0, 1.0, 0.0, 0.0]
        data["model"]["row_upper"] = [8.0]

    assert check(only(forged(recorded(KNAPSACK), over))).faults == ("weight is violated by 1",)


@pytest.mark.parametrize(("beyond", "outcome"), [(0.9e-6, "passed"), (1.2e-6, "failed")])
def test_the_tolerance_is_one_millionth_of_the_numbers_in_a_constraint(recorded, beyond, outcome):
    def change(data):
        data["model"] |= {"row_upper": [1000.0], "row_values": [1000.0, 0.0, 0.0, 0.0], "integer": []}
        data["model"]["costs"] = [0.0, 0.0, 0.0, 0.0]
        data["model"]["upper"] = [None] * 4
        data["values"] = [1.0 + beyond, 0.0, 0.0, 0.0]

    found = check(only(forged(recorded(KNAPSACK), change, objective=0.0, bound=0.0, binary=0, continuous=4)))
    assert found.outcome == outcome


def test_an_objective_that_is_not_the_plans_is_a_fault(recorded):
    found = check(only(forged(recorded(KNAPSACK), lambda data: None, objective=17.0)))
    assert found.faults == ("the report says 17, but the recorded plan has the objective 16",)


@pytest.mark.parametrize(
    ("code", "values", "objective"), [(KNAPSACK, [0.0, 1.0, 1.0, 0.0], 11.0), (CP_SAT, [5.0, 1.0], 23.0)]
)
def test_optimal_claimed_for_a_worse_plan_is_refuted_by_solving_again(recorded, sandbox, code, values, objective):
    def change(data):
        data["values"] = values

    solve = only(forged(recorded(code), change, objective=objective, bound=objective))
    found = check(solve)
    assert found.outcome == "passed"
    refuted = confirm(found, solve, sandbox)
    assert refuted.outcome == "failed"
    best = "16" if code == KNAPSACK else "25"
    assert refuted.faults == (f"a better plan exists: {best} instead of {objective:g}",)


@pytest.mark.parametrize(("status", "found"), [("infeasible", "optimal"), ("unbounded", "optimal")])
def test_a_claimed_status_is_refuted_by_solving_again(recorded, sandbox, status, found):
    def change(data):
        data["values"] = None

    solve = only(forged(recorded(KNAPSACK), change, status=status, objective=None, bound=None, gap=None))
    assert check(solve).outcome == "unknown"
    refuted = confirm(check(solve), solve, sandbox)
    assert refuted.faults == (f"the report says {status}, but solving the model again gave {found}",)


@pytest.mark.parametrize(
    "report", [{"binary": 3}, {"constraints": 2}, {"continuous": 4, "binary": 0}, {"sense": "minimize"}]
)
def test_a_record_of_another_model_is_a_fault(recorded, report):
    found = check(only(forged(recorded(KNAPSACK), lambda data: None, **report)))
    assert found.outcome == "failed"
    assert "the report" in found.faults[0]
    if set(report) & {"constraints", "sense"}:
        cp_sat = check(only(forged(recorded(CP_SAT), lambda data: None, **report)))
        assert cp_sat.outcome == "failed"


def test_a_malformed_cp_sat_model_is_a_fault(recorded, sandbox):
    def change(data):
        data["model"]["text"] = "variables { domain: 0 domain: 9 } constraints { linear { vars: 99 } }"

    solve = only(forged(recorded(CP_SAT), change, integer=1))
    found = check(solve)
    assert found.outcome == "failed"
    assert confirm(found, solve, sandbox) == found


def test_a_model_that_ends_the_solver_does_no_harm(recorded, sandbox):
    def change(data):
        data["values"] = None
        data["model"]["text"] = "variables { domain: 9 domain: 0 } variables { domain: 0 domain: 9 } constraints { }"

    claim = {"status": "infeasible", "objective": None, "bound": None, "gap": None}
    solve = only(forged(recorded(CP_SAT), change, **claim))
    found = confirm(check(solve), solve, sandbox)
    assert not found.confirmed
    assert found.outcome in ("unknown", "failed")


@pytest.mark.parametrize("code", [KNAPSACK, CP_SAT], ids=["linear", "cp_sat"])
@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ({"status": "optimal", "objective": 99.0, "values": (9.0, 9.0, 9.0, 9.0)}, "does not keep the model"),
        ({"status": "optimal", "objective": 99.0, "values": (1.0,)}, "does not keep the model"),
        ({"status": "optimal", "objective": 99.0, "values": None}, "does not keep the model"),
        ({"status": "infeasible"}, "finds the model infeasible, which the plan refutes"),
        ({"status": "open", "reason": "out of time"}, "the optimum: out of time"),
    ],
)
def test_the_second_solver_is_not_believed(recorded, sandbox, monkeypatch, code, claim, reason):
    solve = only(recorded(code))
    if claim.get("values") is not None and len(claim["values"]) > 1:
        claim = claim | {"values": claim["values"][: len(solve.variables)]}
    answer = SecondSolve(solver="Other", **claim)
    monkeypatch.setattr("storm_calm.env.plans.checks.solve_again", lambda *_, **__: answer)
    found = confirm(check(solve), solve, sandbox)
    assert (found.outcome, found.confirmed, found.faults) == ("passed", "", ())
    assert reason in found.unchecked[0]


def test_a_wrong_objective_of_the_second_solver_changes_nothing(recorded, sandbox, monkeypatch):
    solve = only(recorded(KNAPSACK))
    lie = SecondSolve(status="optimal", objective=99.0, values=solve.values, solver="Other")
    monkeypatch.setattr("storm_calm.env.plans.checks.solve_again", lambda *_, **__: lie)
    assert confirm(check(solve), solve, sandbox).confirmed == "Other"


def test_an_infeasible_model_is_confirmed(recorded, sandbox):
    solve = only(recorded(KNAPSACK.replace("<= 9", ">= 99")))
    assert check(solve).unchecked == ("the solver reported infeasible",)
    found = confirm(check(solve), solve, sandbox)
    assert (found.outcome, found.confirmed, found.unchecked) == ("passed", "HiGHS", ())


@pytest.mark.parametrize("values", [[1e308] * 4, [1e308, -1e308, 1e308, -1e308]])
def test_numbers_without_a_sum_are_a_fault(recorded, values):
    def change(data):
        data["values"] = values
        data["model"]["costs"] = [9.0, 9.0, 9.0, 9.0]

    assert check(only(forged(recorded(KNAPSACK), change))).outcome == "failed"


def test_what_pyomo_leaves_out_of_a_model_is_no_fault(recorded):
    code = """
import pyomo.environ as po
m = po.ConcreteModel()
m.x, m.unused, m.fixed = po.Var(bounds=(0, 9)), po.Var(bounds=(0, 3)), po.Var(bounds=(0, 5))
m.whole = po.Var(within=po.Integers, bounds=(0, 5))
m.fixed.fix(2)
m.limit = po.Constraint(expr=m.x + m.whole + m.fixed <= 7)
m.constant = po.Constraint(expr=m.fixed <= 3)
m.cost = po.Objective(expr=2 * m.x + m.whole, sense=po.maximize)
po.SolverFactory("appsi_highs").solve(m)
"""
    solve = only(recorded(code))
    assert (len(solve.variables), solve.report.continuous + solve.report.integer) == (2, 3)
    assert check(solve).outcome == "passed"


def test_a_solve_that_was_not_recorded_is_unknown():
    assert read_records(Execution(code="", status="ok", isolation="full", backend="local")) == ()


@pytest.mark.parametrize("value", [1e308, -1e308, 1e20])
def test_a_value_so_large_that_sums_overflow_is_a_fault(value):
    limited = recorded_model(linear_model([0.0], [(-168.0, [14], 168.0)], bounds=[(None, None)]), [value])
    assert check(limited).outcome == "failed"
    costly = recorded_model(linear_model([14.0], [], bounds=[(None, None)]), [value], objective=5.0, sense="minimize")
    assert check(costly).outcome == "failed"
