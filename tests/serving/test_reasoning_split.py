"""Thoughts and answers are separated in a stream, wherever it is split into pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.serving.api.code_blocks import CodeBlockSplit
from storm_calm.serving.api.reasoning_split import ReasoningSplit

WORDS = st.sampled_from(
    [
        *(
            "a",
            " ",
            "\n",
            "<",
            "</th",
            "ink>",
            "</think>",
            "`",
            "``",
            "```",
            "```python\n",
            "```output",
            "STOP",
            "ST",
            "1",
        ),
        *("~~~", "~", "python", "# ", "'''", "x\n", "> ", "```\n"),
    ]
)


def cut(text, places):
    """Split `text` into pieces."""
    ends = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(ends)]


def divided(pieces, stop=()):
    split = ReasoningSplit(stop)
    shown = [piece for text in pieces for piece in split.feed(text)] + split.finish()
    for channel in ("reasoning", "content"):
        assert "".join(text for kind, text in shown if kind == channel) == getattr(split, channel)
    return split.reasoning, split.content


@pytest.mark.parametrize(
    ("text", "reasoning", "content"),
    [
        ("Hm.\n</think>\nSell 3.", "Hm.\n", "Sell 3."),
        ("No end", "No end", ""),
        ("a </thin king", "a </thin king", ""),
        ("</think>Sell ``` 3", "", "Sell ``` 3"),
        ("</think>I check.\n```python\n1\n```\n", "```python\n1\n```\n", "I check.\n"),
        ("I compute\n```output", "I compute\n", ""),
    ],
)
def test_text_after_the_thoughts_is_the_answer_except_for_programs(text, reasoning, content):
    assert divided([text]) == (reasoning, content)


@given(st.lists(WORDS, max_size=12).map("".join), st.lists(st.integers(0, 200), max_size=6))
def test_the_result_does_not_depend_on_the_pieces_of_the_stream(text, places):
    assert divided(cut(text, places), ["STOP"]) == divided([text], ["STOP"])


def test_the_answer_continues_after_a_late_program():
    split = ReasoningSplit()
    split.feed("</think>I check.\n```python\n1\n```\n")
    split.finish()
    split.observe("```output\n1\n```\n")
    split.feed("It is 1.")
    assert split.content == "I check.\nIt is 1."
    assert split.reasoning == "```python\n1\n```\n```output\n1\n```\n"


def test_text_after_a_stop_string_is_dropped():
    split = ReasoningSplit(["STOP"])
    assert split.feed("STOP</think>one STOP two") == [("reasoning", "STOP"), ("content", "one ")]
    assert split.stopped
    assert split.feed("three") == []


def test_reasoning_tokens_are_proportional_to_the_text():
    split = ReasoningSplit()
    split.feed("x" * 30)
    split.observe("y" * 100)
    split.feed("</think>" + "z" * 10)
    assert split.reasoning_tokens(80) == 60


def blocks(pieces):
    dividing = CodeBlockSplit()
    found = [piece for text in pieces for piece in dividing.feed(text)] + dividing.finish()
    joined = []
    for kind, text in found:
        if joined and joined[-1][0] == kind:
            joined[-1] = (kind, joined[-1][1] + text)
        else:
            joined.append((kind, text))
    return joined


def test_programs_and_prose_are_separated_without_fences():
    text = "I compute it.\n```python\nprint(6 * 7)\n```\nSo `x` is ```big```."
    assert blocks([text]) == [
        ("prose", "I compute it.\n"),
        ("code", "print(6 * 7)\n"),
        ("prose", "So `x` is ```big```."),
    ]


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("~~~python\nx\n~~~\n", "x\n"),
        ("````python\n```\n````\n", "```\n"),
        ("  ```py title=1\nx\n  ```\n", "x\n"),
        ("```python\nx  # ```\n'''\n```\n'''\n```\n", "x  # ```\n'''\n```\n'''\n"),
        ("```python\nx```\n", "x"),
        ("```python\nx\n```", "x\n"),
    ],
)
def test_programs_between_fences_of_any_kind(text, program):
    assert blocks([f"Hm.\n{text}"])[-1] == ("code", program)
    assert blocks(list(f"Hm.\n{text}\nMore"))[-1][0] == "prose"
    assert divided([f"</think>Hm.\n{text}"])[0].strip() == text.strip()


@given(st.lists(WORDS, max_size=12).map("".join), st.lists(st.integers(0, 200), max_size=6))
def test_programs_are_found_in_any_pieces_of_the_stream(text, places):
    assert blocks(cut(text, places)) == blocks([text])
