"""A share of a total that became a share of one part, in formulas and programs."""

import pytest

from storm_calm.agents.triggers import findings
from storm_calm.agents.triggers.shares import stated_shares
from storm_calm.env import Episode, Problem, Span, Transcript

QUESTION = "A club hires vans and buses for 300 people. At most 40% of the vehicles can be vans. What is the cost?"
PROGRAM = """import pulp

p = pulp.LpProblem("club", pulp.LpMinimize)
x = pulp.LpVariable("x", lowBound=0, cat="Integer")
y = pulp.LpVariable("y", lowBound=0, cat="Integer")
n = {total}
p += 8 * x + 50 * y
p += x + y >= 300
p += {limit}
p.solve()
print(pulp.value(p.objective))
"""


def rules(text, question=QUESTION):
    spans = (Span(source="prompt", text="Q\n"), Span(source="model", text=text))
    problem = Problem(id="p", question=question, answers=(1.0,))
    found = findings(Episode(problem=problem, transcript=Transcript(spans=spans), stop=None))
    return {finding.evidence for finding in found if finding.rule == "share_of_one"}


@pytest.mark.parametrize(
    "question",
    [
        "At most 40% of the vehicles can be vans.",
        "at least 40 percent of all trips must be by canoe",
        "no more than 40% of the total weight may be corn",
        "up to 40 % of its machines",
    ],
)
def test_shares_of_a_total_are_read(question):
    assert stated_shares(question) == {0.4}


@pytest.mark.parametrize(
    "question",
    [
        "At least 40% of the number of canoes must be boats.",
        "The price fell by 40% of the value.",
        "at least 40% more vans than buses",
        "at least 40% of the overtime hours assigned to full-time clerks",
        "at most 40 vans",
    ],
)
def test_other_percentages_are_not(question):
    assert stated_shares(question) == set()


def test_fractions_in_words_are_read():
    assert stated_shares("at least half of the money, at most one third of the vehicles") == {0.5, 0.333333}


@pytest.mark.parametrize(
    "formula",
    [
        "\\[ y \\leq 0.4x \\]",
        "\\( y \\leq 0.4 \\times x \\)",
        "y <= 0.40 * x\n",
        "$y \\le \\frac{40}{100} x$",
        "\\( \\text{vans} \\leq 0.4 \\cdot \\text{buses} \\)",
    ],
)
def test_a_share_of_one_part_in_a_formula_is_a_finding(formula):
    assert len(rules(f"The limit is {formula}.\n")) == 1


@pytest.mark.parametrize("formula", ["x \\geq \\frac{y}{3}", "x >= y/3", "x \\geq \\frac{1}{3}y"])
def test_a_fraction_of_one_part_is_a_finding(formula):
    assert len(rules(f"The limit is \\( {formula} \\).\n", "At least one third of all guards must be senior.")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "The limit is \\( y \\leq 0.4(x + y) \\).",
        "The limit is \\( y \\leq 0.4x + 0.4y \\).",
        "Let \\( n = x + y \\). The limit is \\( y \\leq 0.4n \\).",
        "- n: total number of vehicles\nThe limit is y <= 0.4n\n",
        "The limit is \\( y \\leq 0.3x \\).",
        "The limit is \\( y \\leq \\frac{2}{3}x \\).",
        "The limit is \\( \\text{vans} \\leq 0.4 \\cdot \\text{total vehicles} \\).",
    ],
)
def test_a_share_of_the_total_is_none(text):
    assert rules(text) == set()


@pytest.mark.parametrize("limit", ["y <= 0.4 * x", "0.4 * x >= y", "y <= x * 0.4", "y <= 40 / 100 * x"])
def test_a_share_of_one_part_in_a_program_is_a_finding(limit):
    assert len(rules(f"```python\n{PROGRAM.format(limit=limit, total=0)}```\n")) == 1


def test_a_total_that_is_a_share_of_itself_is_a_finding():
    assert len(rules("So \\( x + y \\leq 0.4 \\times (x + y) \\).")) == 1
    assert len(rules(f"```python\n{PROGRAM.format(limit='x + y <= 0.4 * (x + y)', total=0)}```\n")) == 1


@pytest.mark.parametrize("limit", ["y <= 0.4 * (x + y)", "y <= 0.4 * n", "y <= 0.3 * x"])
def test_a_share_of_the_total_in_a_program_is_none(limit):
    assert rules(f"```python\n{PROGRAM.format(limit=limit, total='x + y')}```\n") == set()


def test_without_a_share_in_the_question_nothing_is_a_finding():
    assert rules("The limit is \\( y \\leq 0.4x \\).", "There are 0.4 vans for each bus at most.") == set()
