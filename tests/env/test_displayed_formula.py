"""Where a cut inside of a displayed formula moves to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env.displayed_formula import before_formula

PIECES = st.lists(st.sampled_from(["\\[", "\\]", "$$", "\\begin{a}", "\\end{a}", "\n", "x", " ", "- "]), max_size=30)


@pytest.mark.parametrize(
    ("text", "place", "start"),
    [
        ("Limits:\n   - **Protein:**\n     \\[\n     12x \\geq 97\n     \\]\n", "12x", "- **Protein"),
        ("We get\n\n\\[\n\\begin{aligned}\nx &\\leq 5 \\\\\ny &> 3\n\\end{aligned}\n\\]\n", "y &>", "We get"),
        ("So:\n\\begin{align}\nx \\leq 5\n\\end{align}\n", "leq", "So:"),
        ("So:\n$$\nx <= 3\n$$\nand\n$$y <= 5$$\n", "x <=", "So:"),
        ("So:\n$$\nx <= 3\n$$\nand\n$$y <= 5$$\n", "y <=", "and"),
        ("So:\n\\[\nx \\leq 3 \\\\[2pt]\ny \\leq 4\n\\]\n", "y \\", "So:"),
        ("A.\n" + "$$x$$\n" * 300 + "So:\n$$\ny <= 5\n$$\n", "y <=", "So:"),
        ("One line: \\[ x \\leq 3 \\]", "leq", "One line"),
    ],
)
def test_a_place_in_a_formula_moves_to_the_line_that_leads_to_it(text, place, start):
    assert text[before_formula(text, text.index(place)) :].startswith(start)


@pytest.mark.parametrize("place", ["\\[ x", "Then", "4.", "\\( y"])
def test_any_other_place_stays(place):
    text = "So \\[ x \\leq 3 \\]\nThen \\( y \\leq 2 \\) is 4."
    assert before_formula(text, text.index(place)) == text.index(place)


def test_a_mark_that_was_never_closed_is_no_formula():
    text = "It costs $$ 5.\n" + "Then more text.\n" * 100
    assert before_formula(text, len(text)) == len(text)


@given(PIECES, st.integers(0, 100))
def test_a_place_never_moves_right(pieces, offset):
    text = "".join(pieces)
    offset = min(offset, len(text))
    assert 0 <= before_formula(text, offset) <= offset
