"""Variables by base name and index."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env.plans.plan import PlanLine
from storm_calm.env.plans.variable_groups import split_name, variable_groups


def lines(**values):
    return [PlanLine(name=name, value=value, integer=None) for name, value in values.items()]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("ship['A', 2]", ("ship", ("A", "2"))),
        ("ship[A,2]", ("ship", ("A", "2"))),
        ("ship[A][2]", ("ship", ("A", "2"))),
        ("ship_('A',_2)", ("ship", ("A", "2"))),
        ("x(3)", ("x", ("3",))),
        ("x['north, east']", ("x", ("north, east",))),
        ("chairs", ("chairs", ())),
        ("x[]", ("x[]", ())),
        ("[3]", ("[3]", ())),
        ("a[1]b", ("a[1]b", ())),
        ("", ("", ())),
    ],
)
def test_brackets_hold_indices(name, parts):
    assert split_name(name) == parts


def test_underscores_are_indices_if_at_least_three_variables_have_the_same_form():
    [ship, rest] = variable_groups(lines(ship_A_1=1.0, ship_A_2=2.0, ship_B_1=3.0, labor_hours=4.0, labor_cost=5.0))
    assert (ship.name, ship.size) == ("ship", 2)
    assert ship.indices == (("A", "1"), ("A", "2"), ("B", "1"))
    assert ship.values == (1.0, 2.0, 3.0)
    assert (rest.name, rest.names) == ("", ("labor_hours", "labor_cost"))


def test_a_base_name_with_another_number_of_indices_is_another_group():
    groups = variable_groups(lines(**{"x[1]": 1.0, "x[1,2]": 2.0, "y": 3.0}))
    assert [(group.name, group.size) for group in groups] == [("x", 1), ("x", 2), ("", 0)]


@given(st.dictionaries(st.text("ab_[](),'\" 1", max_size=12), st.floats(-9, 9), max_size=8))
def test_each_variable_is_in_one_group(values):
    groups = variable_groups(lines(**values))
    assert sorted(name for group in groups for name in group.names) == sorted(values)
    for group in groups:
        assert len(group.indices) == len(group.values) == len(group.names)
        assert all(values[name] == value for name, value in zip(group.names, group.values, strict=True))
        assert all(len(index) == max(1, group.size) for index in group.indices)
