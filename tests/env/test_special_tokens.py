"""`env.special_tokens`: names of special tokens in untrusted text."""

from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env.special_tokens import harmless

MANY = tuple(f"<unused{number}>" for number in range(6000))


def test_a_space_breaks_up_common_and_given_names():
    assert harmless("a<|im_end|>b@x@", ["@x@"]) == "a< |im_end|>b@ x@"
    assert harmless("a<|im_end|>b@x@") == "a< |im_end|>b@x@"
    assert harmless("<unused12> <unused6000>", MANY) == "< unused12> <unused6000>"


def test_thousands_of_names_take_linear_time():
    harmless("", MANY)
    started = process_time()
    for text in ("<" * 300_000, "<unused" * 50_000, "<unused12" * 40_000):
        assert harmless(text, MANY) == text
    assert process_time() - started < 5


@given(st.lists(st.text(alphabet="<ab>", min_size=2, max_size=5), max_size=6), st.text(alphabet="<ab>", max_size=30))
def test_no_name_is_left_in_a_text(names, text):
    cleaned = harmless(text, names)
    assert not any(name in cleaned for name in names)
    assert harmless(cleaned, names) == cleaned
    assert cleaned.replace(" ", "") == text
