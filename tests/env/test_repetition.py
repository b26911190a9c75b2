"""A loop is found soon after it begins; programs, tables and differing rows are none."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env.repetition import (
    CHECK_CHARS,
    MAX_PERIOD,
    MIN_BLOCK_CHARS,
    MIN_CHARS,
    REPEATS,
    RepetitionDetector,
    ends_in_loop,
)

SENTENCE = "So I should check the constraint on the hours once more, because the total may be wrong.\n"
START = "The workshop has 40 hours, and each chair takes one. Let x be the number of chairs.\n"


def found_at(text, *, step=5):
    """Return how many characters were fed when a loop was found, or None."""
    detector = RepetitionDetector()
    for end in range(step, len(text) + step, step):
        if detector.feed(text[end - step : end]):
            return end
    return None


@pytest.mark.parametrize(
    "unit", ["the ", SENTENCE, SENTENCE * 3 + "Wait, that is not all.\n", "x = x + 1, ", "所以答案是四十。\n"]
)
def test_a_repeated_word_line_or_paragraph_is_a_loop(unit):
    needed = max(MIN_CHARS, REPEATS * len(unit))
    assert needed <= found_at(START + unit * 700) <= len(START) + needed + 2 * CHECK_CHARS


@pytest.mark.parametrize(
    "text",
    [
        START * 3,
        "".join(f"| {row} | {row * 37} | {row % 3} |\n" for row in range(200)),
        "".join(f"prob += x_{row} + y_{row} <= 10\n" for row in range(200)),
        "```python\nc = [\n" + "    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],\n" * 40 + "]\n",
        "```python\nvtype = [" + '"integer", ' * 150 + "]\n",
        "-" * 1500,
        "|---|---|---|---|\n" * 60,
        "".join(f"{row}. The total is {row * 7}, so I continue with the next one.\n" for row in range(200)),
    ],
)
def test_rows_that_differ_rulers_and_data_of_programs_are_no_loop(text):
    assert found_at(text) is None
    assert not ends_in_loop(text)


def test_a_program_that_never_ends_is_a_loop():
    text = "```python\n" + "# Let us try again.\n" * 400
    assert MIN_BLOCK_CHARS <= found_at(text) <= MIN_BLOCK_CHARS + 200
    assert found_at("~~~python\nx = 1\n~~~\n" + SENTENCE * 40) < 1000, "a closed block is none"


def test_blocks_that_repeat_are_a_loop_after_a_few():
    assert ends_in_loop("It prints\n```\n" * 12)
    assert not ends_in_loop("It prints\n```\n" * 4)
    assert not ends_in_loop("")


@given(
    st.text(alphabet="ab c\n", max_size=200),
    st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=MAX_PERIOD),
    st.integers(1, 60),
)
def test_any_unit_is_found_and_found_once_it_is_long_enough(start, unit, step):
    needed = max(MIN_BLOCK_CHARS, REPEATS * len(unit))
    text = start + unit * (needed // len(unit) + 10)
    # The end of some checks repeats a shorter unit, so that it may take more of them.
    text += unit * (2000 // len(unit))
    assert found_at(text, step=step) is not None


@given(st.text(max_size=3000), st.integers(1, 50))
def test_no_text_is_an_error(text, step):
    found_at(text, step=step)
    ends_in_loop(text)


@pytest.mark.slow
def test_the_time_is_linear():
    def seconds(text):
        started = time.perf_counter()
        found_at(text, step=4)
        return time.perf_counter() - started

    # Long units of short ones that are never repeated often enough: the worst case.
    text = ("a" * 550 + "b") * 400
    assert seconds(text * 4) < 12 * max(seconds(text), 0.05)
