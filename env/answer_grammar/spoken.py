"""Answers as phrases see them: words in lower case, `#` for a number, `=` for a relation."""

import re
from collections.abc import Sequence

from storm_calm.env.answer_grammar import words
from storm_calm.env.answer_grammar.tokens import Token

CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
"""A character of Chinese or Japanese, languages without spaces."""


def spoken(tokens: Sequence[Token]) -> str:
    """Return the tokens as phrases see them: folded words, `#` for a number, `=` for a relation, brackets.

    Words in an index are included: `INFEASIBLE_OR_UNBOUNDED` has three words.
    """
    return " ".join(" ".join(_as_spoken(token) for token in tokens).split())


def _as_spoken(token: Token) -> str:
    if token.kind == "word":
        return words.fold(token.text).replace("n't", " not").replace("'", " ")
    if token.kind in ("number", "fraction"):
        return "#"
    if token.kind == "relation":
        return "="
    if token.text == "_":
        return spoken([word for word in token.parts[0] if word.kind == "word" or word.text == "_"])
    return token.text if token.text in ("(", ")", "[", "]") else ""


def is_latin(token: Token) -> bool:
    """Return whether the token is a word of letters, of a language with spaces."""
    return token.kind == "word" and not CJK.match(token.text)
