"""The files of a plan, and the examination in sentences."""

import io

import openpyxl
import pytest

from storm_calm.env.plans import check, examine, explain, read_records
from storm_calm.env.plans.explanation import plan_lines
from storm_calm.env.plans.plan import Plan, PlanLine, plan_of
from storm_calm.env.plans.plan_files import plan_csv, plan_files, plan_workbook

WORKSHOP = """
import pulp
p = pulp.LpProblem("workshop", pulp.LpMaximize)
chairs, tables = pulp.LpVariable("chairs", 0), pulp.LpVariable("tables", 0)
p += 45 * chairs + 80 * tables
p += 5 * chairs + 20 * tables <= 400, "wood"
p += 10 * chairs + 15 * tables <= 450, "hours"
p.solve(pulp.PULP_CBC_CMD(msg=False))
"""
TEXT_ONLY = """
from pyscipopt import Model
m = Model()
m.hideOutput()
x = m.addVar("x", lb=0, ub=3)
m.addCons(x * x <= 4)
m.setObjective(x, "maximize")
m.optimize()
"""


def plan(*lines):
    made = tuple(PlanLine(name=name, value=value, integer=None) for name, value in lines)
    return Plan(objective=1.0, sense="minimize", lines=made)


def test_no_cell_of_a_table_is_a_formula():
    made = plan(("=1+1", 2.0), ("@x", 0.5), ("a,b", 3.0), ("-y", 1e20), ("größe", -0.25))
    assert plan_csv(made).decode() == ("variable,value\n'=1+1,2\n'@x,0.5\n\"a,b\",3\n'-y,1e+20\ngröße,-0.25\n")
    sheet = openpyxl.load_workbook(io.BytesIO(plan_workbook(made))).active
    assert [cell.data_type for cell in sheet["A"]] == ["s"] * 6
    assert sheet["A2"].value == "=1+1"


def test_the_files_of_a_solve(sandbox):
    [solve] = read_records(sandbox.run(WORKSHOP, record=True))
    files = plan_files(WORKSHOP, solve, examine(solve, sandbox), sandbox)
    assert set(files) == {"program.py", "plan.csv", "plan.xlsx", "examination.json", "model.mps", "model.lp"}
    assert files["program.py"].decode() == WORKSHOP
    assert b"wood" in files["model.lp"]


def test_a_model_as_text_is_kept_in_its_own_format(sandbox):
    pytest.importorskip("pyscipopt")
    [solve] = read_records(sandbox.run(TEXT_ONLY, record=True))
    examined = examine(solve, sandbox)
    assert examined.check.outcome == "unknown"
    assert set(plan_files("", solve, examined, sandbox)) == {
        "program.py", "plan.csv", "plan.xlsx", "examination.json", "model.cip",
    }  # fmt: skip
    assert explain(solve, examined)[0].startswith("Not checked: ")


def test_a_plan_in_sentences(sandbox):
    [solve] = read_records(sandbox.run(WORKSHOP, record=True))
    assert explain(solve, examine(solve, sandbox)) == [
        "Checked: the plan keeps all limits of its model and has the objective 2200. HiGHS solved the model again and "
        "found no better plan.",
        "At its limit: hours: 10 chairs + 15 tables <= 450; worth 4 per unit from 300 to 800.",
        "At its limit: wood: 5 chairs + 20 tables <= 400; worth 1 per unit from 225 to 600.",
    ]


def test_an_unbounded_and_an_infeasible_model_in_sentences(sandbox):
    unbounded = WORKSHOP.replace("5 * chairs + 20 * tables <= 400", "chairs - tables <= 9").replace("<= 450", ">= 450")
    [solve] = read_records(sandbox.run(unbounded, record=True))
    lines = explain(solve, examine(solve, sandbox))
    assert lines[0] == "Checked: HiGHS finds the model unbounded, too."
    assert lines[1].startswith("Nothing limits changing ")
    [solve] = read_records(sandbox.run(WORKSHOP.replace("<= 450", ">= 4500"), record=True))
    lines = explain(solve, examine(solve, sandbox))
    assert lines[:2] == ["Checked: HiGHS finds the model infeasible, too.", "These 3 limits cannot hold together:"]
    assert "The least change that helps:" in lines


def test_a_long_plan_as_markdown_is_cut_and_its_names_end_no_cell(sandbox):
    code = """
from scipy.optimize import linprog
linprog([1] * 50, bounds=[(k % 2, 9) for k in range(50)])
import pulp
p = pulp.LpProblem("p", pulp.LpMinimize)
x = [pulp.LpVariable(f"x{k}", 1, 2) for k in range(40)] + [pulp.LpVariable("zero", 0)]
p += pulp.lpSum(x)
p.solve(pulp.PULP_CBC_CMD(msg=False))
"""
    first, second = read_records(sandbox.run(code, record=True))
    table, rest, *_ = plan_lines(first, examine(first, sandbox))
    assert table.splitlines()[:3] == ["| variable | value |", "|---|---:|", "| `x[1]` | 1 |"]
    assert (len(table.splitlines()), rest) == (27, "And 25 at 0.")
    assert plan_lines(second, examine(second, sandbox))[1] == "And 10 more, 1 at 0."


def test_whole_variables_are_whole_in_the_plan(sandbox):
    code = WORKSHOP.replace('"tables", 0)', '"tables", 0, cat="Integer")')
    [solve] = read_records(sandbox.run(code, record=True))
    found = plan_of(solve)
    assert [line.integer for line in found.lines] == [False, True]
    assert found.lines[1].value == int(found.lines[1].value)
    assert check(solve).outcome == "passed"
