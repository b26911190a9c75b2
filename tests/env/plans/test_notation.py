"""A recorded model in mathematical notation."""

import dataclasses

from storm_calm.env.plans.notation import MAX_ROWS, notation
from storm_calm.env.plans.record import CpSatModel
from support.linear_models import linear_model, recorded

TAGS = {"math", "mi", "mn", "mo", "mtext", "mspace", "mrow", "msub", "msup"}


def text(tree):
    """Return the text of a tree with its subscripts, and check that it has known tags only."""
    if isinstance(tree, str):
        return tree
    assert tree[0] in TAGS
    inner = [text(child) for child in tree[1]]
    return "_".join(inner) if tree[0] == "msub" else "^".join(inner) if tree[0] == "msup" else "".join(inner)


def written(solve):
    return [(line.name, text(line.math)) for line in notation(solve).lines]


def test_a_model_is_its_objective_its_constraints_and_its_domains():
    model = linear_model(
        [45.0, -1.0], [(None, [5, 20], 400.0), (10.0, [0, 1], 30.0), (4.0, [1, 1], 4.0)], maximize=True, offset=7.0
    )
    solve = dataclasses.replace(
        recorded(model, None), variables=("make['A', 1]", "tables"), constraints=("wood", "range", "sum")
    )
    assert written(solve) == [
        ("objective", "max45make_A,1−tables+7"),
        ("wood", "5make_A,1+20tables≤400"),
        ("range", "10≤tables≤30"),
        ("sum", "make_A,1+tables=4"),
        ("domain", "make,tables≥0"),
    ]


def test_whole_and_binary_variables_and_squares():
    model = linear_model([0.0, 1.0], [], bounds=[(0.0, 1.0), (0.0, 9.0)], quadratic=((0, 0, 2.0), (0, 1, -1.0)))
    lines = written(recorded(dataclasses.replace(model, integer=(0, 1)), None))
    assert lines == [
        ("objective", "minx1+2x0^2−x0x1"),
        ("domain", "x0∈{0, 1}"),
        ("domain", "0≤x1≤9, whole"),
    ]


def test_long_sums_and_many_constraints_are_cut():
    model = linear_model([1.0] * 30, [(1.0, [1] * 30, None)] * (MAX_ROWS + 5))
    found = notation(recorded(model, None))
    assert found.left_out == 5
    assert text(found.lines[0].math).endswith("+… (30 terms)")


def test_a_name_is_text_and_other_models_have_no_notation():
    solve = dataclasses.replace(recorded(linear_model([1.0], []), None), variables=("<b>x</b>[<i>]",))
    assert "<b>x</b>" in text(notation(solve).lines[0].math)
    assert notation(dataclasses.replace(solve, model=CpSatModel(kind="cp_sat", text=""))).lines == ()
