"""One row of a test set as a Problem, whatever release it is from.

Question and answer are in `en_question` and `en_answer`, in `question` and `answer`, or in `Question` and `Answer`;
corrected releases add `is_checked` and `original_answer`. Answers are numbers, texts or lists of these; "No Best
Solution", -9999 and -99999 mean infeasible.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from storm_calm.env.answers import parse_answer
from storm_calm.env.jsonl import short
from storm_calm.env.problem import AnswerKey, Problem, check_answer

QUESTIONS = ("en_question", "question")
ANSWERS = ("en_answer", "answer", "answers")

INFEASIBLE = {-9999.0, -99999.0}
"""Numbers that stand for "no solution"; no problem of these sets has one of them as its optimum."""


def read_row(row: Mapping[str, Any], *, name: str, file: str, default_id: str) -> Problem | None:
    """The problem in a row; None where its label cannot be read, which makes nobody's answer right or wrong.

    name: of the test set. file: what the row is in, a file or a repository, for `Problem.source`.
    default_id: for a row without "id". Raises ValueError for a row without question or answer.
    """
    fields = {key.lower(): value for key, value in row.items()}
    question = next((fields[key] for key in QUESTIONS if key in fields), None)
    if not isinstance(question, str) or not question.strip():
        raise ValueError(f'no question: {short(question)}; give a text as "en_question", "question" or "Question"')
    key = next((key for key in ANSWERS if key in fields), None)
    if key is None:
        raise ValueError('no answer; give it as "en_answer", "answer" or "Answer"')
    answers = read_label(fields[key])
    if not answers:
        return None
    id = default_id if fields.get("id") in (None, "") else str(fields["id"])
    return Problem(
        id=id if id.startswith(name) else f"{name}-{id}",
        question=question,
        answers=answers,
        source=f"{name}: {file}{_label_origin(fields, answers)}",
    )


def read_label(label: object) -> tuple[AnswerKey, ...]:
    """The accepted answers that a label gives, each once; none where any part of it cannot be read."""
    if isinstance(label, str) and label.strip().startswith("["):
        try:
            label = json.loads(label)
        except ValueError:
            return ()
    parts = label if isinstance(label, list) else [label]
    answers = [_answer(part) for part in parts]
    read = [answer for answer in answers if answer is not None]
    return tuple(dict.fromkeys(read)) if len(read) == len(parts) else ()


def _answer(part: object) -> AnswerKey | None:
    value: object = part
    if isinstance(part, str):
        answer = parse_answer(part)
        if answer is None:
            return None
        value = answer.status if answer.value is None else answer.value
    try:
        check_answer(value)
    except (ValueError, OverflowError):
        return None
    if isinstance(value, str):
        return "infeasible" if value == "infeasible" else "unbounded"
    assert isinstance(value, (int, float))
    return "infeasible" if value in INFEASIBLE else float(value)


def _label_origin(fields: Mapping[str, Any], answers: tuple[AnswerKey, ...]) -> str:
    """What a row says about its label, as an ending of `Problem.source`."""
    words = f"; label of {fields['source']}" if isinstance(fields.get("source"), str) and fields["source"] else ""
    if "original_answer" in fields and read_label(fields["original_answer"]) != answers:
        words += f"; corrected, was {short(fields['original_answer'])}"
    if isinstance(fields.get("is_checked"), bool):
        words += "; checked" if fields["is_checked"] else "; not checked"
    return words
