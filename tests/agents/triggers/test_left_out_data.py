"""A program with a small part of the question's data."""

from storm_calm.agents.triggers import findings
from storm_calm.env import Episode, Problem, Span, Transcript

QUESTION = (
    "A ration has at least 71 g of protein and 1623 kcal. Chicken costs $10 and has 17 g of protein and 95 kcal, tofu "
    "$12 with 22 g and 233 kcal, rice $14 with 27 g and 134 kcal, fish $18 with 19 g and 109 kcal, lentils $11 with "
    "31 g and 202 kcal. Portions are whole. What is the least cost?"
)
NUTRIENTS_AS_VARIABLES = """
protein = LpVariable("protein", lowBound=0, cat="Integer")
energy = LpVariable("energy", lowBound=0, cat="Integer")
m += 10 * protein + 12 * energy
m += protein >= 71
m += energy >= 1623
"""
FOODS_AS_VARIABLES = """
x = [LpVariable(f"x{i}", lowBound=0, cat="Integer") for i in range(5)]
m += lpDot([10, 12, 14, 18, 11], x)
m += lpDot([17, 22, 27, 19, 31], x) >= 71
m += lpDot([95, 233, 134, 109, 202], x) >= 1623
"""
TABLE_IN_A_STRING = """
rows = [line.split(",") for line in "10,17,95\\n12,22,233\\n14,27,134\\n18,19,109\\n11,31,202".split("\\n")]
x = [LpVariable(f"x{i}", lowBound=0, cat="Integer") for i in range(5)]
m += lpDot([int(row[0]) for row in rows], x)
m += lpDot([int(row[1]) for row in rows], x) >= 71
m += lpDot([int(row[2]) for row in rows], x) >= 1623
"""
BEGIN = "from pulp import *\nm = LpProblem('m', LpMinimize)\n"
END = "m.solve()\nprint(value(m.objective))\n"


def rules(*models, question=QUESTION):
    text = "".join(f"```python\n{BEGIN}{model}{END}```\n" for model in models)
    spans = (Span(source="prompt", text="Q\n"), Span(source="model", text=text))
    problem = Problem(id="p", question=question, answers=(1.0,))
    found = findings(Episode(problem=problem, transcript=Transcript(spans=spans), stop=None))
    return [finding.evidence for finding in found if finding.rule == "left_out_data"]


def test_variables_for_something_else_are_a_finding():
    assert rules(NUTRIENTS_AS_VARIABLES) == ["4 numbers in the program, 17 in the question"]


def test_all_data_is_none_also_in_a_string():
    assert rules(FOODS_AS_VARIABLES) == rules(TABLE_IN_A_STRING) == []


def test_a_later_program_may_be_smaller():
    assert rules(FOODS_AS_VARIABLES, NUTRIENTS_AS_VARIABLES) == []


def test_a_question_with_few_numbers_is_none():
    assert (
        rules(NUTRIENTS_AS_VARIABLES, question="Buy 71 g of protein and 1623 kcal for $10 or $12 at least cost.") == []
    )
