"""Read the final answer from model text.

The answer is in the last `\\boxed{}` after the last execution. It is a number in one of many notations, infeasible or
unbounded. Ambiguous text is not read, so that no guess earns a reward. The grammar (EBNF; fonts, boxes, dollar signs
around formulas and other LaTeX without meaning are removed first):

    answer    ::= status | { side relation } statement | { side relation } number "=" name
    relation  ::= "=" | "≈" | ":"
    side      ::= label | name | formula | number            (* formulas are never computed *)
    statement ::= [ words ] number [ unit ] [ words ]
    number    ::= [ sign ] [ currency ] [ sign ] magnitude [ scale ]
    magnitude ::= literal [ "×" power ] | power | fraction | literal "/" literal | whole fraction   (* 1 1/2 *)
    literal   ::= ( digits | groups ) [ "." digits ] [ "e" exponent ]
    groups    ::= 1 to 3 digits, then groups of 3 after ",", "{,}", "'", a space or a thin space; or 2 or more after "."
    power     ::= "10^" exponent                                                                    (* also 10³ *)
    fraction  ::= "\\frac{" number "}{" number "}"
    scale     ::= "hundred" | "thousand" | "million" | "billion" | "trillion" | "bn" | "k" | "M" | "万" | "亿" | ...
    status    ::= words with one phrase of the tables INFEASIBLE or UNBOUNDED (en es fr de pt it ru zh ja)

Several numbers in one equation must agree to their last digits; the most precise is the answer: `22/7 ≈ 3.14` is 22/7.
`15%` is 15: a percent sign is a unit, so an accepted answer must be in the same unit.

Not read: inequalities, bounds (at least), ranges, alternatives, negations, conditions, guesses, lists and vectors,
formulas without a result, decimal commas (`1,5`, `0,125`), other bases, scales that may be units (`5 M`), NaN.
`docs/answers.md` has examples.
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
