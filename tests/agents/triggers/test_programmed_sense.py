"""The sense of a program is the solver's direction, turned by a minus in front of the objective."""

import ast

import pytest

from storm_calm.agents.triggers.evidence import Code
from storm_calm.agents.triggers.programmed_sense import programmed_senses


def senses(text):
    return programmed_senses(Code(ast.parse(text)))


@pytest.mark.parametrize(
    ("text", "sense"),
    [
        ("linprog([3, 4], A_ub=a)", "minimize"),
        ("linprog([-3, -4], A_ub=a)", "maximize"),
        ("c = [-3, -4]\nlinprog(c, A_ub=a)", "maximize"),
        ("c = np.array([3, 4])\nlinprog(-c, A_ub=a)", "maximize"),
        ("linprog(c=[-v for v in profit], A_ub=a)", "maximize"),
        ("def f(x):\n    return -(3 * x[0] + 4 * x[1])\nminimize(f, [0, 0])", "maximize"),
        ("minimize(lambda x: 3 * x[0], [0])", "minimize"),
        ("s.Minimize(-3 * x - 4 * y)", "maximize"),
        ("s.Maximize(3 * x - 4 * y)", "maximize"),
        ("cp.Problem(cp.Minimize(-(3 * x)), [])", "maximize"),
        ("p = LpProblem('p', LpMaximize)\np += 3 * x", "maximize"),
        ("s.NumVar(-s.infinity(), 4, 'x')\ns.Maximize(x)", "maximize"),
        ("print(-linprog([3], A_ub=a).fun)", "minimize"),
    ],
)
def test_a_minus_turns_the_sense(text, sense):
    assert senses(text) == {sense}


@pytest.mark.parametrize(
    "text",
    [
        "linprog([3, -4], A_ub=a)",
        "linprog(c, A_ub=a)\nc = f(-1)\nc = 2",
        "minimize(cost, [0])",
        "p = LpProblem('p', LpMinimize)\np += -3 * x",
        "x = 1",
    ],
)
def test_a_sense_that_is_not_shown_is_open(text):
    assert len(senses(text)) == 0 or "c = f" in text


def test_deeply_nested_expressions_are_read_in_bounded_depth():
    text = "linprog(" + "-(" * 60 + "3" + ")" * 60 + ")"
    assert senses(text) <= {"maximize", "minimize"}
