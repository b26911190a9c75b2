"""The model's words as Markdown: boxes in bold, no marks of templates, nothing that a client would load or follow."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from storm_calm.serving.api.model_words import ModelWords, escaped, model_words

READER = MarkdownIt("commonmark", {"html": True}).enable("table")
ACTIVE = {"image", "link_open", "html_inline", "html_block"}


def kinds(text):
    """Return the types of all tokens of a Markdown text."""
    tokens = READER.parse(text)
    return {token.type for token in tokens} | {child.type for token in tokens for child in token.children or ()}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The profit is $\\boxed{120.0}$.<|im_end|>", "The profit is **120**."),
        ("\\boxed{42}", "The answer is **42**."),
        ("\\[ \\boxed{42} \\]\n", "The answer is **42**."),
        ("So:\n\\[\n\\boxed{Z = 3 \\times 40}\n\\]\nDone.", "So:\n**Z = 3 × 40**\nDone."),
        ("**\\boxed{3}** of them", "**3** of them"),
        ("**Answer: \\boxed{1{,}200}**", "**Answer: 1,200**"),
        ("It costs $66 or $62, so \\boxed{\\$199}.", "It costs $66 or $62, so **$199**."),
        ("We get $Z = \\boxed{3}$ here.", "We get Z = **3** here."),
        ("\\[ \\text{Profit} = \\boxed{4} \\text{ dollars} \\]", "Profit = **4** dollars"),
        ("So $\\sum_i x_i^2 = \\boxed{4}$.", "So $\\sum_i x_i^2 = \\mathbf{4}$."),
        ("It is \\boxed{\\text{infeasible}}.", "It is **infeasible**."),
        ("It is \\boxed{\\frac{1}{3}}", "It is **1/3**"),
        ("It is \\boxed{12", "It is **12**"),
        ("Done.</think>\n<tool_call>", "Done."),
        ("<|im_<|im_end|>end|>Done.", "Done."),
        ("```\nThe profit is \\boxed{7}.", "The profit is **7**."),
        ("The profit is \\boxed{7}.\n```", "The profit is **7**."),
        ("```\n```\nDone.", "Done."),
        ("Plan:\n```json\n{}\n```", "Plan:\n```json\n{}\n```"),
        ("![x](http://a/?q=1)", "! [x] (http://a/?q=1)"),
        ("a <= b, c < d, x[1] = 3!", "a <= b, c < d, x[1] = 3!"),
        ("", ""),
    ],
)
def test_final_words_become_markdown_that_any_client_shows(text, shown):
    assert model_words(text) == shown


MARKS = st.sampled_from(
    [
        *("\\boxed{", "}", "$", "$$", "\\[", "\\]", "**", "`", "```", "~~~", "```json", "\n", "\n\n", " ", "    "),
        *(
            "<|im_end|>",
            "</think>",
            "<",
            "<img src=x>",
            "<!--",
            "<a href='x'>",
            "![",
            "](",
            "[",
            "]",
            "]:",
            "!",
            "(",
            ")",
        ),
        *("http://x.y", "- ", "> ", "1. ", "\\", "7", "word", "|", "#", "é", "[INST]", "{", "&lt;"),
    ]
)
TEXTS = st.lists(MARKS | st.text(max_size=3), max_size=30).map("".join)


@given(TEXTS)
@example("[a]\\boxed{}(b)")
@example("!\\boxed{[a](b)}")
@example("<\\boxed{}img src=x>")
def test_nothing_in_the_words_is_loaded_or_followed_by_a_client(text):
    assert kinds(model_words(text)) & ACTIVE == set()


@given(TEXTS)
def test_no_box_and_no_template_token_remains(text):
    shown = model_words(text)
    assert "\\boxed{" not in shown
    assert "<|im_end|>" not in shown
    assert "</think>" not in shown


@given(TEXTS)
def test_a_table_after_the_words_stays_a_table(text):
    assert "table_open" in kinds(f"{model_words(text)}\n\n| a | b |\n|---|---|\n| 1 | 2 |")


@given(TEXTS, st.data())
def test_the_words_do_not_depend_on_how_they_arrive(text, data):
    words, parts = ModelWords(), []
    while text[sum(map(len, parts)) :]:
        start = sum(map(len, parts))
        parts.append(text[start : start + data.draw(st.integers(1, 9))])
    shown = "".join([*(words.feed(part) for part in parts), words.finish()])
    assert shown == model_words(text)


def test_plain_text_is_passed_on_at_once():
    words = ModelWords()
    assert [words.feed(part) for part in ("The ", "profit", " is 66.5")] == ["The ", "profit", " is 66.5"]


def test_words_after_a_program_are_a_new_paragraph():
    words = ModelWords()
    assert words.feed("One.") + words.finish() + words.feed("Two.") + words.finish() == "One.\n\nTwo."


@given(st.text(max_size=200) | TEXTS)
def test_an_escaped_sentence_has_no_markup(text):
    assert kinds(f"Note: {escaped(text)}") <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}
