"""The contamination gate: keep evaluation questions out of training data.

    gate = ContaminationGate(read_questions("benchmark.jsonl"))
    gate.match("A bakery makes ...")               # a Match, or None

Two questions match if their texts are equal after normalization (case, accents, punctuation, white space), or if they
share

- at least `SHARED_GRAMS` of their 8-grams that contain a number, and
- at least `SHARED_NUMBERS` of their numbers,

each as a fraction of the question that has fewer of them. The 8-grams keep their numbers. So two questions from one
template with different data are two problems: they only share the words between numbers. A question without numbers
is compared by all of its 8-grams.

Generated problems need no comparison: their data decides their split, and their id shows it. All stress problems are
held out. See `env.problems.heldout`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from storm_calm.env import Problem
from storm_calm.env.problems.families.split import Split
from storm_calm.env.problems.heldout import is_heldout
from storm_calm.env.question_words import words
from storm_calm.env.row_fields import field_names, question_of
from storm_calm.env.row_files import SUFFIXES, read_rows

WORDS = 8
"""Words in an n-gram; shorter ones are common phrases ("what is the maximum total profit")."""
SHARED_GRAMS = 0.5
"""Smallest fraction of shared n-grams for a match. Changing one word in 20 breaks a third of the n-grams, one word in
12 half of them."""
SHARED_NUMBERS = 0.9
"""Smallest fraction of shared numbers for a match. Short problems of one family can share half of their n-grams by
chance, but then share at most 0.85 of their numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalQuestion:
    """A question that must not be trained on."""

    place: str
    """Its source, as file:line, or as file and item of an array."""
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """Why a question must not be trained on."""

    place: str
    """The source of the evaluation question."""
    how: Literal["same text", "shared words", "held out"]
    """"same text": equal after normalization; "shared words": n-grams and numbers; "held out": for evaluation only."""
    share: float
    """The fraction of shared n-grams, in [0, 1]; 1.0 unless `how` is "shared words"."""


HELD_OUT = Match(place="the families' held-out split, or a stress set", how="held out", share=1.0)


@dataclass(frozen=True, slots=True)
class _Fingerprint:
    """Hashes of a question's text and n-grams, and the counts of its numbers."""

    text: int
    grams: frozenset[int]
    numbers: Counter[str]


def _fingerprint(text: str) -> _Fingerprint:
    tokens = words(text)
    numeric = [token[0].isdecimal() for token in tokens]
    grams = frozenset(
        hash(tokens[start : start + WORDS])
        for start in range(len(tokens) - WORDS + 1)
        if any(numeric[start : start + WORDS]) or not any(numeric)
    )
    numbers = Counter(token for token, is_number in zip(tokens, numeric, strict=True) if is_number)
    return _Fingerprint(hash(tokens), grams, numbers)


class ContaminationGate:
    """An index of evaluation questions. Comparing 10,000 questions with 2,000 takes a few seconds."""

    def __init__(self, questions: Iterable[EvalQuestion]) -> None:
        self.questions = tuple(questions)
        self._fingerprints = [_fingerprint(question.text) for question in self.questions]
        self._by_text: dict[int, int] = {}
        self._by_gram: dict[int, list[int]] = defaultdict(list)
        for index, fingerprint in enumerate(self._fingerprints):
            self._by_text.setdefault(fingerprint.text, index)
            for gram in fingerprint.grams:
                self._by_gram[gram].append(index)

    def match_problem(self, problem: Problem, *, split: Split) -> Match | None:
        """Return why a problem must not be in a dataset for this split; None if it may."""
        return HELD_OUT if split == "train" and is_heldout(problem) else self.match(problem.question)

    def match(self, text: str) -> Match | None:
        """Return the evaluation question that matches `text` best, or None."""
        mine = _fingerprint(text)
        if mine.text in self._by_text:
            return Match(place=self.questions[self._by_text[mine.text]].place, how="same text", share=1.0)
        shared = Counter(index for gram in mine.grams for index in self._by_gram.get(gram, ()))
        best: Match | None = None
        for index, count in shared.items():
            other = self._fingerprints[index]
            share = count / min(len(mine.grams), len(other.grams))
            if share < SHARED_GRAMS or _shared_numbers(mine.numbers, other.numbers) < SHARED_NUMBERS:
                continue
            if best is None or share > best.share:
                best = Match(place=self.questions[index].place, how="shared words", share=round(share, 3))
        return best


def _shared_numbers(first: Counter[str], second: Counter[str]) -> float:
    """Return the fraction of shared numbers, of the question with fewer; 1 if one has none."""
    fewer = min(first.total(), second.total())
    return (first & second).total() / fewer if fewer else 1.0


def read_questions(path: str | Path) -> tuple[EvalQuestion, ...]:
    """Read a problems file or a published benchmark, in a format of `env.row_files` with a field of `env.row_fields`.

    Raises ValueError, naming file and line, for a row without a question; OSError for a file that cannot be read.
    """
    path = Path(path)
    questions = tuple(EvalQuestion(place=str(place), text=text) for place, text in read_rows(path, _question))
    if not questions:
        raise ValueError(f"{path}: no questions in it; write one JSON object per line")
    return questions


def read_question_files(places: Iterable[Path]) -> list[EvalQuestion]:
    """Read the questions of files, and of the JSON, CSV and TSV files of folders.

    Raises ValueError for a folder without such files, and like `read_questions`.
    """
    files: list[Path] = []
    for place in places:
        inside = [place]
        if place.is_dir():
            inside = sorted(file for file in place.iterdir() if file.suffix.lower() in SUFFIXES)
        if not inside:
            raise ValueError(f"{place}: no file that ends in {', '.join(SUFFIXES)} in it to compare with")
        files.extend(inside)
    return [question for file in files for question in read_questions(file)]


def _question(record: dict[str, Any]) -> str:
    return question_of(field_names(record))
