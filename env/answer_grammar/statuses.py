"""Read a status, infeasible or unbounded, in several languages."""

from collections.abc import Sequence
from typing import Literal

from storm_calm.env.answer_grammar import words
from storm_calm.env.answer_grammar.spoken import CJK, spoken
from storm_calm.env.answer_grammar.tokens import Token, UnreadableError

_INFEASIBLE = words.pattern(words.INFEASIBLE)
_UNBOUNDED = words.pattern(words.UNBOUNDED)
_INFINITE = words.pattern(words.INFINITE)
_EITHER = words.pattern(words.EITHER_STATUS)
_NO_STATUS = words.pattern(words.DOUBTS, words.NOT_THE_PROBLEM)
_NOT_UNBOUNDED = words.pattern(words.NOT_THE_OBJECTIVE)


def read_status(tokens: Sequence[Token]) -> Literal["infeasible", "unbounded"] | None:
    """Return the status that the text states; None if it names none.

    Raises UnreadableError if it names one and leaves doubt: both, a negation, a condition, a status of something else.
    """
    text = spoken(tokens)
    rest, infeasible = _INFEASIBLE.subn(" ", text)
    rest, unbounded = _UNBOUNDED.subn(" ", rest)
    rest, infinite = _INFINITE.subn(" ", rest)
    if not (infeasible or unbounded or infinite):
        return None
    rest = _EITHER.sub(" ", rest)
    if bool(infeasible) == bool(unbounded or infinite) or "#" in rest or _NO_STATUS.search(rest):
        raise UnreadableError("not clearly one status")
    if any(token.text in (",", ";", "!", "&") and infinite for token in tokens):  # An interval.
        raise UnreadableError("infinity in a list")
    if not infeasible and _NOT_UNBOUNDED.search(rest):
        raise UnreadableError("something else is unbounded")
    if infinite and "解" in rest:
        raise UnreadableError("infinitely many solutions")
    company = words.STATUS_COMPANY.sub(" ", rest).split()
    if CJK.search(" ".join(company)):
        raise UnreadableError("words beside the status that are not known")
    if infinite and any(len(word) > 1 and word not in words.INFINITE_COMPANY for word in company):
        raise UnreadableError("something else is infinite")
    return "infeasible" if infeasible else "unbounded"
