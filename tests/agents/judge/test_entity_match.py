"""Required entities are found as the published scorer finds them: in any notation, and names only as a whole."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storm_calm.agents.judge.entity_match import has_entity, normalized

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
PUNCTUATION = st.sampled_from([" ", ".", ",", ";", ":", "(", ")", "[", "]", "`", "'", '"', "=", "-", "\n", "é", "→"])


@pytest.mark.parametrize(
    ("explanation", "entity"),
    [
        ("The row `Crew_Y1` binds.", "crew_y1"),
        ("Only I and II.", "I"),
        ("late_2 = 5", "late_2"),
        ("x[ 'i' , j ] is 0", "x[i,j]"),
        ("x(i,j) is 0", "x[i,j]"),
        ("x[(i,j)]", "x((i,j))"),
        ("it has “slack −4.5”", "slack -4.5"),
        ("so a ⇒ b", "a -> b"),
        ("so a \n b", "a b"),
        ("table\u00a01", "table 1"),
        ("the cost is 731,250.0", "731250.0"),
        ("the cost is 731250", "731,250"),
        ("the cost is 7.3125E5.", "731250"),
        ("the dual is 0.9000001", "0.9"),
        ("it costs 1,234,567 in all", "1234567"),
        ("ｗ＿２", "w_2"),
        ("the ratio ½", "1⁄2"),
        ("STRASSE", "Straße"),
        ("a 25-fold rise", "25"),
    ],
)
def test_an_entity_is_found_in_other_notations(explanation, entity):
    assert has_entity(explanation, entity)


@pytest.mark.parametrize(
    ("explanation", "entity"),
    [
        ("", "I"),
        ("Only II is open.", "I"),
        ("It is in Crew_Y12.", "Crew_Y1"),
        ("only_one_22", "only_one_2"),
        ("the cost is 731,251", "731250"),
        ("the dual is 0.91", "0.9001"),
        ("the slack is 4", "-4"),
        ("abc", ""),
        ("abc", "`"),
        ("abc", " \n"),
        ("12,34", "1234.5"),
        ("two", "2"),
    ],
)
def test_a_part_of_a_name_or_another_number_is_not_found(explanation, entity):
    assert not has_entity(explanation, entity)


def test_what_is_not_a_name_may_be_a_part_of_a_longer_text():
    assert has_entity("slack 7.0 units", "slack 7")
    assert not has_entity("slack 7.0 units", "slack 8")
    assert has_entity("the dual is 0.95", "0.9"), "the published scorer finds it, too"


@given(NAMES, PUNCTUATION, PUNCTUATION)
def test_a_name_is_found_between_other_characters_in_any_case(name, before, after):
    for written in (name, name.upper(), name.swapcase()):
        assert has_entity(f"So {before}{written}{after} is right", name)


@given(NAMES, NAMES)
def test_a_name_is_not_found_inside_a_longer_one(name, more):
    assert not has_entity(f"{more}{name}", name) or name.casefold() in ("", more.casefold())


@given(st.integers(-(10**12), 10**12))
def test_a_whole_number_is_found_with_separators_and_in_scientific_notation(number):
    for written in (f"{number:,}", f"{number}.0", f"{number:.12e}"):
        assert has_entity(f"It is {written} in all", str(number))


@given(st.floats(-1e9, 1e9).filter(lambda value: abs(value) > 1e-3), st.floats(-2e-6, 2e-6))
def test_numbers_match_up_to_a_relative_millionth(number, error):
    other = number * (1 + error)
    written = f"about {other:.17g} in all"
    if abs(error) < 9e-7:
        assert has_entity(written, f"{number:.17f}")
    if abs(error) > 1.1e-6:
        assert not has_entity(written, f"{number:.17f}")


@given(st.text(), st.text())
@example("\ud800", "\ud800")
@example("9" * 5000, "9" * 5000)
@example("[" * 1000, "]")
def test_any_texts_are_compared_without_error(explanation, entity):
    found = has_entity(explanation, entity)
    assert isinstance(found, bool)
    if found:
        assert normalized(entity)


@given(st.text(min_size=1))
def test_normalized_texts_have_single_spaces_and_plain_quotes(text):
    plain = normalized(text)
    assert plain == " ".join(plain.split())
    assert not set(plain) & set("`“”‘’−–—→⇒←⇐")
