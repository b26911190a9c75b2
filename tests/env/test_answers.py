"""Answers are read as written, only from the model's last text, and never guessed."""

import math
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import Answer, Span, Transcript, last_boxed, parse_answer, read_answer
from storm_calm.env.serialize import from_json, to_json

NUMBERS = {
    "42": 42,
    "-42": -42,
    "+7": 7,
    "\u22125": -5,
    "- 5": -5,
    "\u20137.5": -7.5,
    "0": 0,
    "0.0": 0,
    ".5": 0.5,
    "5.": 5,
    "1e-05": 1e-05,
    "1.5e+06": 1.5e06,
    "1E3": 1000,
    "1,234": 1234,
    "1,234,567.89": 1234567.89,
    "1 234.5": 1234.5,
    "12\u202f345": 12345,
    "1{,}234": 1234,
    r"1\,234\,567": 1234567,
    "1234.50": 1234.5,
    r"2.3 \times 10^{4}": 23000,
    r"2.3 \cdot 10^4": 23000,
    "2.3 × 10^4": 23000,
    "2.3*10**4": 23000,
    r"1.2\times10^{-3}": 0.0012,
    "10^6": 1e6,
    "2.5 million": 2.5e6,
    "3 thousand dollars": 3000,
    "7/3": 7 / 3,
    "-7/3": -7 / 3,
    r"\frac{7}{3}": 7 / 3,
    r"-\frac{7}{3}": -7 / 3,
    r"\frac{-7}{3}": -7 / 3,
    r"\dfrac{1,000}{3}": 1000 / 3,
    r"\tfrac12": 0.5,
    "1 1/2": 1.5,
    r"1\frac{1}{2}": 1.5,
    r"-1\frac{1}{2}": -1.5,
    "$1,200": 1200,
    r"\$1{,}200.50": 1200.5,
    "-$500": -500,
    "$-500": -500,
    "€ 99": 99,
    "USD 99": 99,
    "15%": 15,
    r"15\%": 15,
    "x = 5": 5,
    "x=1=1.0": 1,
    "x_1 = 5": 5,
    "z^* = 12.5": 12.5,
    r"z \approx 3.14": 3.14,
    r"7/3 \approx 2.333": 7 / 3,
    "≈ 9": 9,
    r"3 \times 4 = 12": 12,
    "140 units": 140,
    r"140 \text{ units}": 140,
    r"\text{Profit} = \$1{,}200": 1200,
    r"\text{The maximum profit is } 1200 \text{ dollars.}": 1200,
    "5kg": 5,
    "12 m^2": 12,
    r"12\,\mathrm{m}^{2}": 12,
    "7 t CO2": 7,
    "30 km/h": 30,
    r"$42$": 42,
    r"\mathbf{42}": 42,
    r"\left(42\right)": 42,
    "(42)": 42,
    "Profit: -5": -5,
    "Profit: - 5": -5,
    "max 3x + 2y = 12": 12,
    "[42]": 42,
    "**42**": 42,
    r"\(42\)": 42,
    "Total cost, in dollars = 500": 500,
}

STATUSES = {
    "infeasible": "infeasible",
    r"\text{infeasible}": "infeasible",
    "The problem is infeasible.": "infeasible",
    "INFEASIBLE": "infeasible",
    "no solution": "infeasible",
    "No feasible solution": "infeasible",
    "There is no feasible integer solution": "infeasible",
    "No Best Solution": "infeasible",
    "not feasible": "infeasible",
    "unbounded": "unbounded",
    r"\text{Unbounded}": "unbounded",
    r"\infty": "unbounded",
    r"+\infty": "unbounded",
    "∞": "unbounded",
    "inf": "unbounded",
    "-inf": "unbounded",
}

UNREADABLE = [
    "",
    "abc",
    "nan",
    "1,5",
    "1 234,5",
    "12,34",
    "1,2345",
    "1,234,5",
    "12.5.3",
    "5, 7",
    "5 and 7",
    "5; 7",
    "5 or 6",
    "10 to 20",
    "10-20",
    "x = 1, y = 2",
    "x = 2 and y = 3",
    "x = 2 y = 3",
    "100 units (x = 3)",
    "100 units, x = 3",
    "cost \u2013 500",
    "5 =",
    "x = 5, y = 5",
    r"x \leq 5",
    "x >= 5",
    "x ≥ 5",
    "3 + 4",
    "3 * 4",
    "3 - 4",
    "2^5",
    "2**5",
    "5!",
    r"\sqrt{2}",
    r"2\pi",
    r"2 \sqrt{3}",
    r"10 \pm 1",
    "1/0",
    "1 234/5",
    "1 5/2",
    "1½",
    "½ of 5",
    "42\u200b43",
    "5\u200b430",
    "1e999",
    "12:30",
    "Rs.500",
    "infeasible or unbounded",
    "not infeasible",
    "not unbounded",
    "feasible",
    "bounded",
    "infeasible if x = 3",
    "- -5",
    "-$-5",
    "x-5",
    "9" * 301,
]


@pytest.mark.parametrize(("text", "value"), NUMBERS.items())
def test_numbers_are_parsed_in_many_notations(text, value):
    answer = parse_answer(text)
    assert answer == Answer(value=answer.value, status="number", text=text)
    assert math.isclose(answer.value, value, rel_tol=1e-15)


@pytest.mark.parametrize(("text", "status"), STATUSES.items())
def test_infeasible_and_unbounded_are_parsed_from_words(text, status):
    assert parse_answer(text) == Answer(value=None, status=status, text=text)


@pytest.mark.parametrize("text", UNREADABLE)
def test_ambiguous_and_unreadable_text_is_not_an_answer(text):
    assert parse_answer(text) is None


WRITTEN = {
    "repr": repr,
    "fixed": lambda x: f"{x:.6f}",
    "commas": lambda x: f"{x:,.4f}",
    "spaces": lambda x: f"{x:,.4f}".replace(",", " "),
    "latex commas": lambda x: f"{x:,.2f}".replace(",", "{,}"),
    "thin": lambda x: f"{x:,.2f}".replace(",", r"\,"),
    "scientific": lambda x: f"{x:.12e}",
    "capital": lambda x: f"{x:.12E}",
    "times ten": lambda x: "{} \\times 10^{{{}}}".format(*f"{x:.12e}".split("e")),
    "times ten in plain": lambda x: "{}*10^({})".format(*f"{x:.12e}".split("e")),
    "whole": lambda x: f"{x:.0f}",
}


WRAPPERS = [
    *(r"\text{{{}}}", r"\texttt{{{}}}", r"\boldsymbol{{{}}}", r"\mathbf{{{}}}", r"\bm{{{}}}", r"\displaystyle {}"),
    *(" {} ", r"\,{}\,", r"\quad {}", "{{{}}}", r"\textcolor{{red}}{{{}}}", r"\boxed{{{}}}", r"\({}\)"),
]


@given(
    x=st.floats(-1e12, 1e12),
    form=st.sampled_from(sorted(WRITTEN)),
    dress=st.sampled_from(["{}", "x = {}", "${}$", r"\text{{Cost: }} {} \text{{ dollars}}", "≈ {} kg", "( {} )"]),
)
def test_formatted_numbers_round_trip(x, form, dress):
    written = WRITTEN[form](x)
    expected = float(
        written.replace(r"\,", "").replace(",", "").replace(" ", "").replace("{}", "")
        if "times" not in form
        else f"{x:.12e}"
    )
    assert parse_answer(dress.format(written)).value == expected


@given(st.floats(-1e12, 1e12))
def test_any_minus_sign_is_parsed(x):
    for minus in "\u2212\u2013\u2010\ufe63\uff0d":
        assert parse_answer(repr(x).replace("-", minus)).value == x


@given(st.integers(-9999, 9999), st.integers(1, 999))
def test_fractions_are_parsed(top, bottom):
    assert parse_answer(f"{top}/{bottom}").value == top / bottom
    assert parse_answer(rf"\frac{{{top}}}{{{bottom}}}").value == top / bottom


@given(
    x=st.floats(-1e12, 1e12),
    wrappers=st.lists(st.sampled_from(WRAPPERS), max_size=6),
    form=st.sampled_from(sorted(WRITTEN)),
)
def test_fonts_boxes_and_spaces_change_nothing(x, wrappers, form):
    plain = parse_answer(WRITTEN[form](x))
    text = WRITTEN[form](x)
    for wrapper in wrappers:
        text = wrapper.format(text)
    assert parse_answer(text).value == plain.value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_read_exactly(x):
    assert parse_answer(repr(x)).value == x
    assert parse_answer(f"{x:.17e}").value == x
    assert parse_answer("{}\\times10^{{{}}}".format(*f"{x:.17e}".split("e"))).value == x


@given(
    st.decimals(-999_999, 999_999, places=3, allow_nan=False),
    st.sampled_from(["thousand", "million", "bn", "万", "亿"]),
)
def test_a_scale_is_exact(x, scale):
    exponent = {"thousand": 3, "million": 6, "bn": 9, "万": 4, "亿": 8}[scale]
    assert parse_answer(f"{x:f} {scale}").value == float(x.scaleb(exponent))


@given(st.integers(1, 9999), st.integers(1, 99), st.integers(2, 8))
def test_an_exact_value_counts_before_its_approximation(top, bottom, decimals):
    exact = rf"\frac{{{top}}}{{{bottom}}}"
    assert parse_answer(rf"{exact} \approx {top / bottom:.{decimals}f}").value == top / bottom
    assert parse_answer(rf"{exact} \approx {top / bottom + 0.1:.{decimals}f}") is None


WORDS = (
    r"\frac { } \text{ \times 10 ^ _ $ \$ 5 1,234 0,5 . - + * / = \approx : ( ) [ ] , ; ~ \, x z \max infeasible "
    r"\infty no not million k M % 万 无解 不 ³ ½ 1' \left( \right) ** \\ ' is"
)
PIECES = st.sampled_from([*WORDS.split(" "), " "])


@given(st.lists(PIECES, max_size=120).map("".join))
def test_random_pieces_of_answers_never_raise(text):
    answer = parse_answer(text)
    assert answer is None or answer.value is None or math.isfinite(answer.value)


@pytest.mark.parametrize(
    "piece", ["{", "}", "(", "[", "^", "_", "-", "$", "\\frac", "\\text{", "1 ", "1,", "1/", "=", "a ", "无", "no "]
)
def test_reading_an_answer_takes_a_moment_whatever_the_model_wrote(piece):
    begin = time.monotonic()
    parse_answer((piece * 300)[:300])
    parse_answer(piece * 300_000)
    assert time.monotonic() - begin < 1


@given(st.text(max_size=400))
def test_any_text_gives_a_finite_number_or_none(text):
    last_boxed(text)
    answer = parse_answer(text)
    assert answer is None or answer.value is None or math.isfinite(answer.value)


@given(st.text(alphabet="\\{}boxed 1,.e+-/^*=frac%$<>", max_size=60))
def test_random_latex_never_raises(text):
    last_boxed(text)
    last_boxed("\\boxed{" + text)
    parse_answer(text)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (r"\boxed{42}", "42"),
        (r"\boxed{1} then \boxed{2}", "2"),
        (r"\boxed{\frac{7}{3}}", r"\frac{7}{3}"),
        (r"\boxed{\text{a {b} c}}", r"\text{a {b} c}"),
        (r"\boxed {42}", "42"),
        (r"\boxed{ \{1\} }", r"\{1\}"),
        (r"\boxed{a\}b}", r"a\}b"),
        (r"\boxed{42} is what goes into \boxed{}", "42"),
        (r"\boxed{42} and \boxed{4", "42"),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\boxed", None),
        (r"\boxed{", None),
        (r"boxed{5}", None),
        (r"\\boxed{5}", "5"),
        (r"{ } } \boxed{5} {", "5"),
        (r"{ \boxed{5} \boxed{", "5"),
        ("42", None),
    ],
)
def test_the_last_closed_nonempty_box_counts(text, inside):
    assert last_boxed(text) == inside


def test_many_open_boxes_are_parsed_fast():
    assert last_boxed("\\boxed{" * 100_000) is None
    assert last_boxed("\\boxed{" * 50_000 + "1" + "}" * 50_000) == "1"


def test_the_page_on_answers_is_right():
    page = (Path(__file__).resolve().parents[2] / "docs/answers.md").read_text(encoding="utf-8")
    rows = [row.split(" | ") for row in page.splitlines() if row.startswith("| `") or " | not read |" in row]
    refused = [form for row in rows if row[1].startswith("not read") for form in re.findall("`(.+?)`", row[0])]
    read = [form for row in rows if not row[1].startswith("not read") for form in re.findall("`(.+?)`", row[0])]
    assert len(refused) > 30
    assert [form for form in refused if parse_answer(form) is not None] == []
    assert len(read) > 30
    assert [form for form in read if parse_answer(form) is None] == []


def test_many_backslashes_are_parsed_fast():
    begin = time.monotonic()
    assert last_boxed("\\" * 500_000 + "{boxed{5}") is None
    assert last_boxed("\\" * 500_000 + "boxed{5}") == "5"
    assert time.monotonic() - begin < 1


def transcript(*spans):
    return Transcript(spans=tuple(Span(source=source, text=text) for source, text in spans))


def test_an_answer_is_read_only_after_the_last_execution():
    spans = [("prompt", "Q"), ("model", r"\boxed{1}"), ("tool", "```output\n2\n```\n")]
    assert read_answer(transcript(*spans)) is None
    assert read_answer(transcript(*spans, ("model", r"so \boxed{2}"))).value == 2


def test_an_answer_is_never_read_from_output_or_hints_or_the_question():
    assert read_answer(transcript(("prompt", r"\boxed{1}"), ("model", "hm"))) is None
    assert read_answer(transcript(("prompt", "Q"), ("model", "hm"), ("tool", r"\boxed{1}"))) is None
    assert read_answer(transcript(("prompt", "Q"), ("model", r"\boxed{1}"), ("hint", r"\boxed{2}"))).value == 1


def test_an_answer_may_span_several_segments():
    spans = [("prompt", "Q"), ("tool", "out"), ("model", r"It is \boxed{4"), ("model", "2}.")]
    assert read_answer(transcript(*spans)).value == 42


def test_an_unreadable_last_box_is_not_replaced_by_an_earlier_one():
    assert read_answer(transcript(("prompt", "Q"), ("model", r"\boxed{1} or rather \boxed{x}"))) is None


def test_an_inconsistent_answer_is_an_error():
    with pytest.raises(ValueError, match="does not fit"):
        Answer(value=None, status="number", text="")
    with pytest.raises(ValueError, match="does not fit"):
        Answer(value=math.inf, status="number", text="")
    assert from_json(Answer, to_json(parse_answer("42"))) == parse_answer("42")
