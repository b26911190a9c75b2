"""A quote is located in the transcript, ignoring white space, if it has one match in an allowed source."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from storm_calm.agents.interveners.quote_matching import QuoteError, loosely, placed
from storm_calm.env import Span, Transcript

WORDS = st.lists(st.sampled_from(["so", "x", "=", "3;", "profit", "ist", "größer", "…"]), min_size=1, max_size=12)
SPACE = st.sampled_from([" ", "  ", "\n", "\n\n    ", "\t", "\u00a0", ""])


def transcript(*spans):
    return Transcript(spans=tuple(Span(source=source, text=text) for source, text in spans))


RUN = transcript(
    ("prompt", "How many chairs?"),
    ("model", "The profit is 3.\nThe hours are"),
    ("model", " the limit."),
    ("tool", "\n```output\nThe profit is 42\n```\n"),
    ("hint", "Wait, I should look again.\n"),
    ("model", "So the profit\n  is 42. The hours are the limit. That is it."),
)


def at(quote, since=0, **settings):
    first, last = placed(quote, RUN, since=max(since, RUN.prompt_end), **settings)
    return RUN.text[first:last]


def test_a_quote_may_span_line_breaks_and_segments():
    assert at("hours are the limit. ", sources={"model"}, since=RUN.text.index("So ")) == "hours are the limit."
    assert at("So the profit is 42.") == "So the profit\n  is 42."
    assert at("Sotheprofitis42.") == "So the profit\n  is 42."


def test_an_exact_match_takes_precedence_over_other_white_space():
    assert placed("profit is", RUN, since=RUN.prompt_end, sources={"model"})[0] == RUN.text.index("profit is 3")


def test_the_current_segment_takes_precedence_over_earlier_text():
    since = RUN.text.index("So ")
    assert placed("The hours are the limit.", RUN, since=since, sources={"model"})[0] > since
    assert placed("The profit is 3.", RUN, since=since, sources={"model"})[0] < since


@pytest.mark.parametrize(
    ("quote", "message"),
    [
        ("The hours are the limit.", "occurs 2 times"),
        ("The profit is 42\n```", "not in the text"),
        ("I should look again", "not in the text"),
        ("How many chairs?", "not in the text"),
        ("the limit. So the profit", "not in the text"),
        ("", "not in the text"),
        (" \n", "not in the text"),
    ],
)
def test_ambiguous_and_missing_quotes_are_rejected(quote, message):
    with pytest.raises(QuoteError, match=message):
        at(quote, sources={"model"})


def test_a_person_may_quote_program_output():
    assert at("The profit is 42\n```") == "The profit is 42\n```"
    with pytest.raises(QuoteError):
        at("How many chairs?")


@given(WORDS, WORDS, WORDS, st.data())
def test_a_quote_is_found_with_any_white_space(before, quoted, after, data):
    draw = data.draw
    middle = "".join(word + draw(SPACE) for word in quoted).strip()
    text = " ".join(before) + " " + middle + " " + " ".join(after)
    copied = "".join(draw(SPACE) + word for word in quoted)
    assume(copied.strip())
    run = transcript(("prompt", "Q"), ("model", text))
    squeezed = "".join(copied.split())
    everything = "".join(text.split())
    times = sum(everything.startswith(squeezed, place) for place in range(len(everything)))
    if times == 1:
        first, last = placed(copied, run, since=1)
        assert (first, last) == (1 + len(" ".join(before)) + 1, 1 + len(" ".join(before)) + 1 + len(middle))
    else:
        assert len(loosely(copied, text)) == times


@given(st.text(max_size=40), st.text(max_size=8))
def test_the_located_text_equals_the_quote(text, quote):
    run = transcript(("prompt", "Q"), ("model", text))
    try:
        first, last = placed(quote, run, since=1)
    except QuoteError:
        return
    assert "".join(run.text[first:last].split()) == "".join(quote.split()) != ""
