"""The report on a recorded solve, and its chart."""

import pytest

from storm_calm.env.plans import Examination, check, examine, plan_of, read_records
from storm_calm.env.plans.charts import Bars, Flows, Gantt, Task, chart_of
from storm_calm.env.plans.explanation import binding_texts
from storm_calm.env.plans.model_change import ModelChange
from storm_calm.env.plans.plan import PlanLine
from storm_calm.env.plans.plan_report import MAX_CONSTRAINTS, MAX_VARIABLES, plan_report
from storm_calm.env.plans.second_solver import what_if
from storm_calm.env.plans.sensitivity import RowSensitivity, Sensitivity
from storm_calm.env.plans.variable_groups import variable_groups
from support.linear_models import linear_model, recorded

SHIP = """
import pulp
problem = pulp.LpProblem("ship", pulp.LpMinimize)
ways = [(a, b) for a in "AB" for b in (1, 2)]
ship = pulp.LpVariable.dicts("ship", ways, 0)
problem += pulp.lpSum(cost * ship[way] for way, cost in zip(ways, (4, 6, 5, 3)))
problem += ship["A", 1] + ship["A", 2] <= 50, "supply_A"
problem += ship["B", 1] + ship["B", 2] <= 60, "supply_B"
problem += ship["A", 1] + ship["B", 1] >= 30, "demand_1"
problem += ship["A", 2] + ship["B", 2] >= DEMAND, "demand_2"
problem.solve(pulp.PULP_CBC_CMD(msg=False))
"""
JOBS = """
from ortools.sat.python import cp_model
model = cp_model.CpModel()
tasks = []
for name, hours in (("saw", 3), ("paint", 2)):
    start = model.new_int_var(0, 9, f"start {name}")
    tasks.append(model.new_fixed_size_interval_var(start, hours, name))
skipped = model.new_bool_var("skip")
tasks.append(model.new_optional_fixed_size_interval_var(0, 1, skipped, "extra"))
model.add(skipped == 0)
model.add_no_overlap(tasks).with_name("bench")
model.minimize(tasks[1].start_expr())
cp_model.CpSolver().solve(model)
"""


def report(sandbox, code):
    [solve] = read_records(sandbox.run(code, record=True))
    return plan_report(solve, examine(solve, sandbox))


def test_an_optimal_plan_has_its_table_what_binds_and_a_chart(sandbox):
    found = report(sandbox, SHIP.replace("DEMAND", "70"))
    assert (found.status, found.sense, found.objective, found.check.outcome) == ("optimal", "minimize", 360.0, "passed")
    [ship] = found.groups
    assert dict(zip(ship.indices, ship.values, strict=True)) == {
        ("A", "1"): 30.0,
        ("A", "2"): 10.0,
        ("B", "1"): 0.0,
        ("B", "2"): 60.0,
    }
    rows = {row.name: row for row in found.constraints}
    assert [row.binding for row in found.constraints] == [True, True, True, False]
    assert (rows["demand_2"].worth, rows["supply_B"].worth, rows["supply_A"].worth) == (6.0, -3.0, None)
    assert rows["supply_A"].slack == 10.0
    assert rows["supply_B"].text.endswith("<= 60")
    assert isinstance(found.chart, Flows)
    assert list(zip(found.chart.sources, found.chart.targets, found.chart.values, strict=True)) == [
        ("A", "1", 30.0),
        ("A", "2", 10.0),
        ("B", "2", 60.0),
    ]
    assert found.changeable


def test_the_changes_of_an_infeasible_model_make_it_feasible(sandbox):
    code = SHIP.replace("DEMAND", "90")
    found = report(sandbox, code)
    assert (found.status, found.objective, found.groups, found.chart) == ("infeasible", None, (), None)
    assert {member.name for member in found.conflict.members} == {"supply_A", "supply_B", "demand_1", "demand_2"}
    assert found.conflict.irreducible
    changes = [ModelChange(kind=one.kind, name=one.name, value=one.after) for one in found.relaxation.changes]
    [solve] = read_records(sandbox.run(code, record=True))
    assert what_if(solve, changes, sandbox).status == "optimal"
    [change] = found.relaxation.changes
    assert abs(change.after - change.before) == pytest.approx(10)


def test_a_schedule_is_a_gantt_chart_without_absent_tasks(sandbox):
    found = report(sandbox, JOBS)
    assert isinstance(found.chart, Gantt)
    saw, paint = found.chart.tasks
    assert paint == Task(label="paint", row="bench", start=0.0, end=2.0)
    assert (saw.label, saw.row, saw.end - saw.start) == ("saw", "bench", 3.0)
    assert saw.start >= paint.end
    assert [row.name for row in found.constraints][-1] == "bench"


def chart(**values):
    lines = [PlanLine(name=name, value=value, integer=None) for name, value in values.items()]
    return chart_of(recorded(linear_model([], []), []), variable_groups(lines))


def test_the_chart_fits_the_variables():
    assert chart(chairs=3.0, tables=5.0) == Bars(title="Plan", labels=("chairs", "tables"), values=(3.0, 5.0))
    assert chart(**{"make[a]": 3.0, "make[b]": 0.0, "make[c]": 1.0}) == Bars(
        title="make", labels=("a", "c"), values=(3.0, 1.0)
    )
    assert isinstance(chart(**{"start[a]": 0.0, "start[b]": 2.0, "end[a]": 2.0, "end[b]": 5.0}), Gantt)
    assert chart(**{"go[a,b]": 1.0, "go[b,a]": 1.0, "go[a,c]": 0.0}).kind == "flows"
    # One amount, or only yes and no, needs no chart.
    assert chart(chairs=3.0) is None
    assert chart(**{"open[a]": 1.0, "open[b]": 1.0, "open[c]": 0.0}) is None


def test_a_large_plan_is_cut():
    size = MAX_VARIABLES + 10
    model = linear_model([1.0] * size, [])
    solve = recorded(model, [float(i >= 5) for i in range(size)])
    found = plan_report(solve, Examination(check=check(solve), plan=plan_of(solve)))
    assert len(found.variables) == MAX_VARIABLES
    assert (found.variables_left_out, found.zero) == (5, 5)
    assert all(variable.value for variable in found.variables)
    assert len(found.constraints) <= MAX_CONSTRAINTS


def test_the_explanation_says_if_the_time_was_too_short_for_a_worth():
    solve = recorded(linear_model([1.0], [(None, [1], 4.0), (None, [2], 8.0)], maximize=True), [4.0])
    rows = tuple(
        RowSensitivity(name=name, activity=4.0, lower=None, upper=4.0, slack=0.0, binding=True, one_more=worth)
        for name, worth in (("wood", 3.0), ("hours", None))
    )
    sentences = list(binding_texts(solve, Sensitivity(rows=rows, fixed=True)))
    assert sentences[-1] == "The time was over before it was known what one unit more of a limit is worth."
    assert len(list(binding_texts(solve, Sensitivity(rows=rows[:1], fixed=True)))) == 1
