"""A limit of one resource that adds up amounts of another one."""

import pytest

from storm_calm.agents.triggers import findings
from storm_calm.agents.triggers.resources import stated_resources
from storm_calm.env import Episode, Problem, Span, Transcript

QUESTION = (
    "A jar of jam needs 300 grams of fruit and 5 minutes, a cake 250 grams of flour and 9 minutes. There are 6,000 "
    "grams of fruit, 7500 grams of flour and 400 minutes. A jar earns $4 and a cake $7. What is the largest profit?"
)
ONE_RESOURCE = (
    "A crate holds 20 kg of apples, a box 12 kg of pears. At least 300 kg of fruit are needed. Minimize boxes."
)


def rules(text, question=QUESTION):
    spans = (Span(source="prompt", text="Q\n"), Span(source="model", text=text))
    problem = Problem(id="p", question=question, answers=(1.0,))
    found = findings(Episode(problem=problem, transcript=Transcript(spans=spans), stop=None))
    return [finding.evidence for finding in found if finding.rule == "mixed_resource"]


def test_the_resource_of_a_number_is_read():
    assert stated_resources(QUESTION) == {300.0: "fruit", 250.0: "flour", 6000.0: "fruit", 7500.0: "flour"}
    assert stated_resources("3 kg of salt and 3 kg of sugar") == {}


@pytest.mark.parametrize(
    "formula", ["\\( 300x + 250y \\leq 6000 \\)", "300*x + 250*y <= 6,000\n", "$300 \\cdot x + 250 \\cdot y \\le 6000$"]
)
def test_amounts_of_another_resource_are_a_finding(formula):
    (shown,) = rules(f"The limit is {formula}.\n")
    assert shown.endswith("adds flour to fruit")


@pytest.mark.parametrize("formula", ["\\( 300x \\leq 6000 \\)", "\\( 5x + 9y \\leq 400 \\)", "\\( 250y \\leq 7500 \\)"])
def test_one_resource_is_none(formula):
    assert rules(f"The limit is {formula}.\n") == []


def test_parts_of_a_whole_are_none():
    assert rules("So \\( 20a + 12p \\geq 300 \\).", ONE_RESOURCE) == []
