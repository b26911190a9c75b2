"""Where a flaw begins: at its sentence or line, never inside of a displayed formula."""

import pytest

from storm_calm.agents.triggers.evidence import sentence_start


@pytest.mark.parametrize(
    ("text", "flaw", "start"),
    [
        ("One. Two is 3. Three is 4.", "is 3", "Two"),
        ("- Protein: \\( 14x \\geq 74 \\)\n", "geq", "- Protein"),
        ("Limits:\n   - **Protein:**\n     \\[\n     12x \\geq 97\n     \\]\n", "12x", "- **Protein"),
        ("We get\n\n\\[\n\\begin{aligned}\nx &\\leq 5 \\\\\ny &> 3\n\\end{aligned}\n\\]\n", "y &>", "We get"),
        ("So:\n\\begin{align}\nx \\leq 5\n\\end{align}\n", "leq", "So:"),
        ("So:\n$$\nx <= 3\n$$\nand\n$$y <= 5$$\n", "x <=", "So:"),
        ("So:\n$$\nx <= 3\n$$\nand\n$$y <= 5$$\n", "y <=", "and"),
        ("\\[ x \\leq 3 \\]\nThen y is 4.", "is 4", "Then"),
        ("\\[ x \\leq 3 \\]", "leq", "\\["),
    ],
)
def test_a_displayed_formula_belongs_to_the_line_before_it(text, flaw, start):
    assert text[sentence_start(text, text.index(flaw)) :].startswith(start)
