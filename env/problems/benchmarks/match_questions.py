"""Find the label of the same question in another release.

Releases write one question differently: white space, LaTeX, capitals, punctuation, wrongly decoded characters. A
question that is reworded, or has other numbers, is another question: its label need not hold for the first one.
"""

import re
from collections.abc import Iterable

from storm_calm.env.problem import AnswerKey, Problem
from storm_calm.env.problems.benchmarks.question_data import text_and_data
from storm_calm.env.question_words import words
from storm_calm.env.reward import RULES

LAYOUT = re.compile(r"\\(?:text\w*|math\w*|left|right|big+|quad|qquad|displaystyle|n(?![a-z])|[,;:! ])")
"""LaTeX commands without a meaning, and the line breaks of text that was escaped twice."""
RELATIONS = {
    r"\\leq?(?:slant)?\b|≤|<=": " leq ",
    r"\\geq?(?:slant)?\b|≥|>=": " geq ",
    r"\\times\b|×": " times ",
    r"(?<![\w.)])[-\u2212](?=\d)": " minus ",
}
"""Notation that decides what a question means, and the words for it."""
WRONGLY_DECODED = re.compile("\u00e2(?:\u20ac|\u0080)[\u0080-\u00ff\u2018-\u2122\u0153]?")
"""A quotation mark or dash in UTF-8 that was read as Windows-1252 or Latin-1."""


def question_key(question: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what identifies a question in any release: the words of its text, and those of its data."""
    text, data = text_and_data(question)
    return _plain(text), _plain(data)


def match_labels(problems: Iterable[Problem], release: Iterable[Problem]) -> dict[str, tuple[AnswerKey, ...]]:
    """Return the labels in another release of the same test set, by the id of the problem.

    Texts must be equal. Data must be equal if both have any. A problem without such a question, or for which the
    release has several with different labels, is missing in the result.
    """
    by_text: dict[tuple[str, ...], list[tuple[tuple[str, ...], Problem]]] = {}
    for problem in release:
        text, data = question_key(problem.question)
        by_text.setdefault(text, []).append((data, problem))
    labels: dict[str, tuple[AnswerKey, ...]] = {}
    for problem in problems:
        text, data = question_key(problem.question)
        found = [one.answers for other, one in by_text.get(text, ()) if not other or not data or other == data]
        if found and all(same_label(found[0], answers) for answers in found):
            labels[problem.id] = found[0]
    return labels


def same_label(first: Iterable[AnswerKey], second: Iterable[AnswerKey]) -> bool:
    """Return whether two labels accept the same answers, apart from rounding (the rule "paper")."""
    a, b = tuple(first), tuple(second)
    return all(any(_same(x, y) for y in b) for x in a) and all(any(_same(y, x) for x in a) for y in b)


def _same(x: AnswerKey, y: AnswerKey) -> bool:
    return x == y if isinstance(x, str) or isinstance(y, str) else RULES["paper"](x, y)


def _plain(text: str) -> tuple[str, ...]:
    plain = LAYOUT.sub(" ", WRONGLY_DECODED.sub("'", text))
    for notation, word in RELATIONS.items():
        plain = re.sub(notation, word, plain)
    return words(plain)
