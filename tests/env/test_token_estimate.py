"""Without a tokenizer tokens are estimated, rather too many than too few."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env.token_estimate import estimate_tokens

LATEX = r"\[ \text{Profit} = 50x_{1} + 70x_{2} - \frac{12345}{678}, \quad x_{1} \in \mathbb{Z}_{\geq 0} \]"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        (" ", 1),
        ("The workshop has hours.", 6),
        ("12345", 5),
        ("x = 3.14\n", 8),
        ("    return total\n", 4),
        ("产品利润", 4),
    ],
)
def test_words_digits_and_signs_are_counted(text, tokens):
    assert estimate_tokens(text) == tokens


def test_latex_and_digits_have_far_more_tokens_than_a_quarter_of_their_characters():
    assert estimate_tokens(LATEX) > len(LATEX) / 2.2
    assert estimate_tokens("1234567 " * 50) > 350


@given(st.text())
def test_no_text_has_more_tokens_than_characters(text):
    assert bool(text) <= estimate_tokens(text) <= len(text)


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_longer_text_has_as_many_tokens_up_to_the_seam(text, more):
    assert abs(estimate_tokens(text + more) - estimate_tokens(text) - estimate_tokens(more)) <= 2
