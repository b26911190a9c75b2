"""Markdown and LaTeX of models as trees of elements."""

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storm_calm.serving.report.markdown_tree import LONGEST, markdown_tree
from storm_calm.serving.report.mathml import mathml


def tags(nodes):
    """Return the tags of a tree, formulas as a whole."""
    for node in nodes or ():
        if not isinstance(node, str):
            yield node[0]
            if node[0] != "math":
                yield from tags(node[1])


def texts(node):
    """Return the text of a tree, formulas as their source."""
    if isinstance(node, str):
        return node
    children = node[1][:1] if node[0] == "math" else node[1]
    return "".join(map(texts, children))


def formulas(text):
    """Return the sources of the formulas in a text, each with whether it is displayed."""

    def found(nodes):
        for node in nodes:
            if not isinstance(node, str):
                if node[0] == "math":
                    yield node[1][0], node[2]["display"]
                else:
                    yield from found(node[1])

    return list(found(markdown_tree(text) or []))


def test_markdown_of_chats_becomes_elements():
    text = (
        "## Steps\n\n1. **Define** `x`\n   - one\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        "> quote\n\n```text\nraw *text*\n```\n"
    )
    found = list(tags(markdown_tree(text)))
    for tag in ("h2", "ol", "li", "strong", "code", "ul", "table", "th", "td", "blockquote", "pre"):
        assert tag in found
    assert "em" not in found


def test_plain_text_needs_no_tree():
    assert markdown_tree("The amounts are the decisions.\nSell 3 - 2 = 1 of them, at 5 * 4 each.") is None


@pytest.mark.parametrize(
    ("text", "source", "display"),
    [
        (r"Let \( x_1 \geq 0 \) be", r"x_1 \geq 0", False),
        ("so $x^2$.", "x^2", False),
        ("so\n\\[\n3x\n+ 2y\n\\]\n", "3x\n+ 2y", True),
        ("- item:\n  \\[\n  a\n  - b\n  \\]\n", "a\n  - b", True),
        ("$$a = b$$", "a = b", True),
        ("\\begin{align*}\na &= b\n\\end{align*}", "\\begin{align*}\na &= b\n\\end{align*}", True),
        (r"**at \(p\)**", "p", False),
    ],
)
def test_formulas_are_found_in_all_notations(text, source, display):
    assert formulas(text) == [(source, display)]


@pytest.mark.parametrize(
    "text", ["It costs $5 and $10.", "$5-$10 each", "`$x$` and `\\(y\\)`", "open \\( only", "a $ b $ c"]
)
def test_money_code_and_open_marks_are_no_formulas(text):
    assert formulas(text) == []


@pytest.mark.parametrize(
    "latex", [r"\frac{1", r"x_1_2", r"\foo{3}", "a & b", r"\left( x", "{" * 500, "x" * 5000, "\ud800", "\x00"]
)
def test_broken_formulas_are_shown_as_their_source(latex):
    assert mathml(latex, display=False) is None
    if len(latex) < 100:
        (paragraph,) = markdown_tree(f"So \\({latex}\\) holds.")
        assert ["math", [latex], {"display": False}] in paragraph[1]


def test_deeply_nested_formulas_and_macros_are_shown_as_their_source():
    assert mathml("\\sqrt{" * 200 + "x" + "}" * 200, display=False) is None
    assert mathml(r"\newcommand{\a}{\a\a}\a", display=False) is None


def test_formulas_of_models_are_converted():
    for latex in (
        r"\text{Minimize } 0.3x_1 + 0.2x_2",
        r"\begin{cases} 0.2x_1 \leq 4 \\ x_2 \geq 0 \end{cases}",
        r"\boxed{4.5}",
        r"\sum_{i=1}^{n} c_{ij} x_{ij} \quad \forall j \in \mathcal{J}",
        r"\mathbb{Z}_{\ge 0}",
        r"\$30, 5\%",
    ):
        assert mathml(latex, display=True) is not None


@pytest.mark.parametrize("text", ["max 2*x + 3*y**2 of `a`", "x_1 and __init__ of `a`", "(a)*(b)*(c) of `a`"])
def test_operators_and_names_are_not_emphasis(text):
    (paragraph,) = markdown_tree(text)
    assert texts(paragraph) == text.replace("`", "")
    assert list(tags([paragraph])) == ["p", "code"]


@pytest.mark.parametrize(
    "text",
    ["[a](javascript:alert(1)) **b**", "![a](http://x/y.png) **b**", "<b>bold</b> **b** &lt;", "<http://a.b> **b**"],
)
def test_links_images_and_html_stay_text(text):
    (paragraph,) = markdown_tree(text)
    assert texts(paragraph) == text.replace("**", "")
    assert list(tags([paragraph])) == ["p", "strong"]


PIECES = st.sampled_from(
    [
        *("\n", "\n\n", " ", "\t", "a", "x_1", "*", "**", "`", "```", "- ", "1. ", "> ", "# ", "|", "|-|-|"),
        *("\\(", "\\)", "\\[", "\\]", "$", "$$", "\\begin{align}", "\\end{align}", "\\frac{1}{2}", "&"),
        *("<b>", "[a](b)", "\x00", "\ud800", "\u202e", "😀"),
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=200))
@example("$$")
@example("> \\[")
@example("> " * 40 + "deep")
@example("- " * 40 + "deep")
def test_any_text_has_a_tree_that_is_json(text):
    tree = markdown_tree(text)
    json.dumps(tree)
    # The language of a code block and the marks of tables are left out; other letters never are.
    if tree is not None and not any(mark in text for mark in ("```", "~~~", "|")):
        assert letters("".join(map(texts, tree))) == letters(text)


def letters(text):
    return [char for char in text if char.isalpha()]


@pytest.mark.parametrize(
    "piece",
    ["*a ", "\\(", "$$", "$a", "**a**", "`a``", "\\[", "> ", "- ", "|a", "- a\n", "1. \\[\n", "\\begin{align}", "["],
)
@pytest.mark.slow
def test_hostile_texts_take_bounded_time(piece):
    started = time.process_time()
    markdown_tree((piece * LONGEST)[:LONGEST])
    assert time.process_time() - started < 30
    assert markdown_tree((piece * LONGEST)[: LONGEST + 1]) is None
