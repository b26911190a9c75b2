"""Read the final answer from model text.

The answer is in the last `\\boxed{}` after the last execution. Numbers come in many notations; infeasible and
unbounded are answers too. Ambiguous text is not read, so that no guess earns a reward.

Read as a number, always as written:

- `1234.5`, `.5`, `1e-05`, `1.5e+06`, with any minus sign
- thousands separated by commas, spaces or LaTeX's thin spaces: `1,234.5`, `1 234.5`, `1{,}234`, `1\\,234`
- `2.3 \\times 10^{4}`, `2.3 × 10^4`, `10^6`, and the words thousand, million, billion
- `7/3`, `\\frac{7}{3}`, and `1 1/2` if the fraction is below 1
- words and units around it: `$1,200`, `x = 5`, `z \\approx 3.14`, `140 \\text{ units}`, `12 m^2`
- `15%` is 15: a percent sign is a unit, so an accepted answer must be in the same unit

Not read: two numbers, decimal commas (`1,5` may be two numbers), inequalities, sums and other formulas, NaN.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

from storm_calm.env.transcript import Transcript

AnswerStatus = Literal["number", "infeasible", "unbounded"]

MAX_ANSWER_CHARS = 300
"""Longest text, in characters, that is read as an answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer parsed from model text."""

    value: float | None
    """The number as written, in the unit the question asks for; None unless `status` is "number"."""
    status: AnswerStatus
    text: str
    """The source text, for messages and the viewer."""

    def __post_init__(self) -> None:
        if self.status not in get_args(AnswerStatus):
            raise ValueError(f"status {self.status!r} must be one of {', '.join(get_args(AnswerStatus))}")
        if (self.status == "number") != (self.value is not None and math.isfinite(self.value)):
            raise ValueError(f"value {self.value!r} does not fit status {self.status!r}")


def read_answer(transcript: Transcript) -> Answer | None:
    """Return the last boxed answer in model text after the last execution, or None if it is missing or unreadable.

    Solver output and hints are never read: the model must state the answer itself (arXiv 2510.04204).
    """
    text = last_boxed(transcript.model_text)
    return None if text is None else parse_answer(text)


def last_boxed(text: str) -> str | None:
    """Return the content of the last `\\boxed{}` that is closed and not empty, or None."""
    opened: list[int | None] = []  # Content offset of each open box; None for other braces.
    last, inside = 0, None
    # A run of backslashes is matched as one piece: matching from each of them takes quadratic time.
    for match in re.finditer(r"\\+boxed\s*\{|(?:\\\\)++|\\.|[{}]", text, re.DOTALL):
        if match[0] == "{":
            opened.append(None)
        elif match[0] == "}":
            start = opened.pop() if opened else None
            if start is not None and start > last and text[start : match.start()].strip():
                last, inside = start, text[start : match.start()].strip()
        elif match[0].endswith("{") and "boxed" in match[0]:
            opened.append(match.end())
    return inside


def parse_answer(text: str) -> Answer | None:
    """Return the one answer in `text`; None if it has none or several."""
    if len(text) > MAX_ANSWER_CHARS:
        return None
    plain = _plain(text)
    statuses = [status for status, pattern in _STATUSES if pattern.search(plain.lower())]
    if statuses:
        # "infeasible or unbounded", "not infeasible" and "infeasible if x = 3" are ambiguous.
        clear = len(statuses) == 1 and not re.search(r"\d|\b(?:not|isn't|never) (?:in|un)", plain.lower())
        return Answer(value=None, status=statuses[0], text=text) if clear else None
    value = _number(plain)
    return None if value is None else Answer(value=value, status="number", text=text)


_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]", "-"),
        (r"\u2044", "/"),
        (r"\\[,;:! ]|\\q?quad|[~\s\u200b]", " "),
        (r"\{,\}", ","),
        (r"\\[dt]?frac\s*\{\s*([-+]?[\d., ]+)\}\s*\{\s*([\d., ]+)\}", r" \1/\2 "),
        (r"\\[dt]?frac\s*(\d)\s*(\d)(?!\d)", r" \1/\2 "),
        (r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|mbox|boxed|operatorname)\s*(?=\{)", " "),
        (r"\\(?:left|right|displaystyle|bigl?|bigr?|Bigl?|Bigr?)(?![A-Za-z])", ""),
        (r"\\(?:times|cdot)(?![A-Za-z])|[×·]|\*\*(?=\s*10\b)", "*"),
        (r"\\(?:approx|simeq|sim|thickapprox)(?![A-Za-z])|[≈≃]", "="),
        (r"\\(?:le|leq|leqslant|ge|geq|geqslant|ne|neq|lt|gt)(?![A-Za-z])|[≤≥≠]", "<"),
        (r"\\(?:infty)(?![A-Za-z])|∞", " infinity "),
        (r"\\(?:euro|pounds|texteuro|textsterling|yen)(?![A-Za-z])", "€"),
        (r"\\([$%#&_])", r"\1"),
        (r"\\[()\[\]]", " "),
        (r"\*\*", "^"),
        (r"[{}]", ""),
    )
)


def _plain(text: str) -> str:
    """Remove LaTeX: one notation for minus, space, times and fraction."""
    text = text.strip("*` ")
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return " ".join(text.split()).strip("$ ")


_STATUSES: tuple[tuple[AnswerStatus, re.Pattern[str]], ...] = (
    ("infeasible", re.compile(r"\b(?:in|un|not )feasible\b|\binfeasibility\b|\bno (?:\w+ ){0,2}solutions?\b")),
    ("unbounded", re.compile(r"\bunbounded(?:ness)?\b|\binf(?:inity|inite)?\b")),
)

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?:[ ]\d{3})+|\d+)"
_PLAIN_NUMBER = rf"(?:{_DIGITS}(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_NUMBER = re.compile(
    rf"""
    (?<![\w.^,])                                      # not inside a name, an exponent or another number
    (?P<sign>[-+]?)\s?[$€£¥₹]?\s?(?P<inner>[-+]?)\s?
    (?:
        (?P<power>10)\s?\^\s?\(?(?P<bare>[-+]?\d+)\)?
      | (?P<whole>\d+)\s(?P<top>\d+)\s?/\s?(?P<bottom>\d+)
      | (?P<number>{_PLAIN_NUMBER})
        (?: \s?/\s?(?P<divisor>{_PLAIN_NUMBER}) | \s?\*\s?10\s?\^\s?\(?(?P<exponent>[-+]?\d+)\)? )?
    )
    (?:\s(?P<scale>thousand|million|billion)\b)?
    """,
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)
_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9}


def _number(plain: str) -> float | None:
    """Return the one number in `plain`; None for none, several, or one that is part of a formula."""
    if "<" in plain or ">" in plain or "\\" in plain:
        return None
    *sides, right_side = plain.split("=")
    if any(_has_own_answer(side, first=number == 0) for number, side in enumerate(sides)):
        return None
    matches = list(_NUMBER.finditer(right_side))
    if len(matches) != 1:
        return None
    match = matches[0]
    before, after = right_side[: match.start()], right_side[match.end() :]
    if re.search(r"[-+*/^]\s*$", before) or re.match(r"\s*(?:[-+*^!]|/\s*[^A-Za-z ])", after):
        return None
    # The sign in "cost - 500" may be a dash; in "100 units (x = 3)" the 3 is not the answer.
    if (re.match(r"[-+]\s", match[0]) and before.strip(" :([$")) or right_side.count("(") != right_side.count(")"):
        return None
    if any(_stray_digit(rest) for rest in (before, after)):
        return None
    return _value(match)


def _has_own_answer(side: str, *, first: bool) -> bool:
    """Return whether the text left of an equals sign contains another answer, as in `x = 1, y = 2`.

    The first side may be a name or a formula. Middle sides (`z = 7/3 = 2.33`) may have numbers and signs only.
    """
    if not first:
        return re.search(r"[A-Za-z;]|, ", side) is not None
    return re.search(r"[A-Za-z]{2}", side) is not None and re.search(r"(?<![\w^])\d[\d.,]*\b", side) is not None


def _stray_digit(rest: str) -> bool:
    """Return whether `rest` has a digit outside names and units such as `m^2`, `x_1` or `CO2`."""
    return any(
        char.isnumeric() and not re.search(r"[A-Za-z][\^_]?\w*$", rest[:place]) for place, char in enumerate(rest)
    )


def _value(match: re.Match[str]) -> float | None:
    """Return the value of a match of `_NUMBER`; None unless it is finite."""
    parts = match.groupdict()
    if parts["sign"] and parts["inner"]:
        return None
    try:
        if parts["power"]:
            value = float(f"1e{parts['bare']}")
        elif parts["whole"]:
            if int(parts["top"]) >= int(parts["bottom"]):
                return None
            value = int(parts["whole"]) + int(parts["top"]) / int(parts["bottom"])
        else:
            value = _float(parts["number"], parts["exponent"])
            if parts["divisor"]:
                value /= _float(parts["divisor"])
    except (ZeroDivisionError, OverflowError):
        return None
    value *= _SCALES.get((parts["scale"] or "").lower(), 1.0)
    if "-" in (parts["sign"], parts["inner"]):
        value = -value
    return value if math.isfinite(value) else None


def _float(digits: str, exponent: str | None = None) -> float:
    """Return `digits` as a number, times ten to the `exponent`, rounded once."""
    digits = re.sub("[, ]", "", digits)
    if exponent is None:
        return float(digits)
    mantissa, _, own = digits.lower().partition("e")
    return float(f"{mantissa}e{int(own or 0) + int(exponent)}")
