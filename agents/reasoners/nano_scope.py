"""Recognize questions that a nano model can work on: those of the problem families it was trained on.

    Nano(folder).knows("hello, what can you do?")       # False

A model organism answers any text with a number. So `storm solve`, the server and Studio do not pass it questions of
other kinds, and return `OUT_OF_SCOPE` instead.
"""

import re
from functools import cache
from itertools import islice

OUT_OF_SCOPE = (
    "I do not know this kind of problem. I am nano, a model of two million parameters that was trained on twelve "
    "problem families only, such as knapsack and product mix; `storm families` lists them with examples. For other "
    "questions, use a larger model: --reasoner URL."
)
"""What nano says to a question outside its families."""

EXAMPLES = 1200
"""Generated questions whose word triples are known."""
KNOWN_SHARE = 0.6
"""Smallest share of known word triples. New questions of the families have at least 0.78; those of seven public
benchmarks have at most 0.36."""
_WORD = re.compile(r"\d[\d.,]*|[a-z]+")

Triple = tuple[str, str, str]


def is_family_question(question: str) -> bool:
    """Return whether the question has the words of a problem family, whatever its numbers."""
    triples = _triples(question)
    return bool(triples) and len(triples & _known()) >= KNOWN_SHARE * len(triples)


def out_of_scope(reasoner: object, question: str) -> str | None:
    """Return OUT_OF_SCOPE if the reasoner is a nano model that does not know the question, else None."""
    knows = getattr(reasoner, "knows", None)
    return OUT_OF_SCOPE if knows is not None and not knows(question) else None


def is_nano(reasoner: object) -> bool:
    """Return whether a reasoner is a nano model, also inside a wrapper."""
    return getattr(reasoner, "knows", None) is not None


@cache
def _known() -> frozenset[Triple]:
    from storm_calm.env.problems.families import FAMILIES, instances

    drawn = islice(instances(list(FAMILIES.values()), split="train", seed=0), EXAMPLES)
    return frozenset().union(*(_triples(instance.question) for instance in drawn))


def _triples(text: str) -> frozenset[Triple]:
    """Return the triples of consecutive words, with "#" for each number."""
    words = ["#" if word[0].isdigit() else word for word in _WORD.findall(text.lower())]
    return frozenset(zip(words, words[1:], words[2:], strict=False))
