"""The contamination gate: no question that a model is evaluated on may be in what it is trained on.

    gate = ContaminationGate(read_questions("benchmark.jsonl"))
    gate.match("A bakery makes ...")               # a Match, or None

Two questions match if they are the same text but for case, accents, punctuation and white space, or if they share

- at least `SHARED_GRAMS` of the runs of 8 words that hold a number, and
- at least `SHARED_NUMBERS` of their numbers,

each as a part of the question that has fewer of them. Numbers stand in the runs as they are: two questions from one
template with other data are two problems, and share the words between the numbers only. A question without numbers is
compared by all of its runs.

Generated problems need no such comparison. Which split they belong to is decided by their data, and their id shows it;
stress problems are for measuring, all of them: see `is_heldout`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from storm_calm.env import Problem
from storm_calm.env.jsonl import read_jsonl
from storm_calm.env.problems.families.split import Split, split_of
from storm_calm.env.problems.stress import group_of

WORDS = 8
"""Words in a run; shorter ones are common phrases ("what is the maximum total profit")."""
SHARED_GRAMS = 0.5
"""The part of the runs with a number that two questions share, from which on they may be one. Changing one word in 20
spoils a third of the runs, one word in 12 half of them."""
SHARED_NUMBERS = 0.9
"""The part of the numbers that they must share besides: short problems of one family can have half of their runs in
common by chance, where one number agrees and the words around it do. None of those shares more than 0.85 of them."""
FIELDS = ("question", "en_question", "Question")
"""The fields that published benchmarks keep a question in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalQuestion:
    """A question that nobody may be trained on."""

    place: str
    """Where it stands, as file:line."""
    text: str
    """The question."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """Why a question may not be trained on."""

    place: str
    """Where the evaluation question stands."""
    how: Literal["same text", "shared words", "held out"]
    """"same text": normalized; "shared words": runs of words and numbers; "held out": for measuring only."""
    share: float
    """The part of the runs of words that both have, in [0, 1]; 1.0 unless `how` is "shared words"."""


HELD_OUT = Match(place="the families' held-out split, or a stress set", how="held out", share=1.0)
"""The match of a generated problem that is for measuring only."""


def words(text: str) -> tuple[str, ...]:
    """The words and numbers of a text: case folded, accents and punctuation gone, 1,200.50 as 1200.5.

    A number is any run of digits with at most one point inside, so "$5" and "5%" are 5.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if not unicodedata.combining(c))
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", plain)
    return tuple(_number(found) if found[0].isdecimal() else found for found in _WORD.findall(plain))


_WORD = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+")


def _number(found: str) -> str:
    return found.rstrip("0").rstrip(".") if "." in found else found


@dataclass(frozen=True, slots=True)
class _Fingerprint:
    """What of a question is compared."""

    whole: int
    """A hash of its words."""
    grams: frozenset[int]
    """Hashes of its runs of words."""
    numbers: Counter[str]
    """Its numbers, and how often each stands in it."""


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
    """Finds training questions among evaluation questions, 10,000 among 2,000 in a few seconds."""

    def __init__(self, questions: Iterable[EvalQuestion]) -> None:
        self.questions = tuple(questions)
        """What is kept out."""
        self._fingerprints = [_fingerprint(question.text) for question in self.questions]
        self._whole: dict[int, int] = {}
        self._holders: dict[int, list[int]] = defaultdict(list)
        for index, one in enumerate(self._fingerprints):
            self._whole.setdefault(one.whole, index)
            for gram in one.grams:
                self._holders[gram].append(index)

    def match_problem(self, problem: Problem, *, split: Split) -> Match | None:
        """Return why a problem may not be in a dataset for this split; None if it may."""
        return HELD_OUT if split == "train" and is_heldout(problem) else self.match(problem.question)

    def match(self, text: str) -> Match | None:
        """The evaluation question that `text` is, the one that shares most of its runs; None if it is none of them."""
        mine = _fingerprint(text)
        if mine.whole in self._whole:
            return Match(place=self.questions[self._whole[mine.whole]].place, how="same text", share=1.0)
        shared = Counter(index for gram in mine.grams for index in self._holders.get(gram, ()))
        best: Match | None = None
        for index, count in shared.items():
            other = self._fingerprints[index]
            share = count / min(len(mine.grams), len(other.grams))
            if share < SHARED_GRAMS or _common(mine.numbers, other.numbers) < SHARED_NUMBERS:
                continue
            if best is None or share > best.share:
                best = Match(place=self.questions[index].place, how="shared words", share=round(share, 3))
        return best


def _common(first: Counter[str], second: Counter[str]) -> float:
    """The part of their numbers that both have, in [0, 1], of the one that has fewer; 1 where one has none."""
    fewer = min(first.total(), second.total())
    return (first & second).total() / fewer if fewer else 1.0


def is_heldout(problem: Problem) -> bool:
    """Whether a problem belongs to the families' held-out split, or is a stress problem, which its source says.

    The id of a generated problem ends in the hash of its data, from which `Instance` takes the split.
    """
    if group_of(problem):
        return True
    content = problem.id.rpartition("-")[2]
    generated = problem.source == "generated" and re.fullmatch(r"[0-9a-f]{12}", content)
    return bool(generated) and split_of(content) == "heldout"


def read_questions(path: str | Path) -> tuple[EvalQuestion, ...]:
    """The questions of a problems file or of a published benchmark, one JSON object a line, with any of `FIELDS`.

    Raises ValueError, naming file and line, for a line without a question; OSError for a file that cannot be read.
    """
    path = Path(path)
    lines = read_jsonl(path, _question)
    questions = tuple(EvalQuestion(place=f"{path}:{number}", text=text) for number, text in lines)
    if not questions:
        raise ValueError(f"{path}: no questions in it; put one JSON object a line")
    return questions


def read_question_files(places: Iterable[Path]) -> list[EvalQuestion]:
    """Return the questions of files, and of the .jsonl and .json files of folders.

    Raises ValueError for a folder without such files, and like `read_questions`.
    """
    files: list[Path] = []
    for place in places:
        inside = [place]
        if place.is_dir():
            inside = sorted(file for file in place.iterdir() if file.suffix in (".jsonl", ".json"))
        if not inside:
            raise ValueError(f"{place}: no .jsonl or .json file in it to compare with")
        files.extend(inside)
    return [question for file in files for question in read_questions(file)]


def _question(record: dict[str, Any]) -> str:
    texts = (record.get(name) for name in FIELDS)
    text = next((text for text in texts if isinstance(text, str) and text.strip()), None)
    if text is None:
        raise ValueError(f"no question in it; give it in one of the fields {', '.join(FIELDS)}")
    return text
