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

from storm_calm.env.answer_grammar.equations import read_number
from storm_calm.env.answer_grammar.statuses import read_status
from storm_calm.env.answer_grammar.tokens import UnreadableError, tokenize
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
    """Return the one answer in `text`; None if it has none, several, or one in doubt."""
    if len(text) > MAX_ANSWER_CHARS:
        return None
    try:
        tokens = tokenize(text)
        status = read_status(tokens)
        if status is not None:
            return Answer(value=None, status=status, text=text)
        exact = read_number(tokens)
        value = float(exact)
    except (UnreadableError, OverflowError):
        return None
    return Answer(value=value, status="number", text=text) if bool(value) == bool(exact) else None
