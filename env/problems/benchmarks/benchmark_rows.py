"""Convert rows of test sets to problems.

Releases name their question and answer differently, see `env.row_fields`; corrected releases add `is_checked` and
`original_answer`. Answers are numbers, strings or lists of these; "No Best Solution", -9999 and -99999 mean infeasible.
Some sets have the answer inside another field, see `answer_in`.
"""

import ast
import contextlib
import json
from collections.abc import Mapping
from typing import Any

from storm_calm.env.answers import parse_answer
from storm_calm.env.jsonl import short
from storm_calm.env.problem import AnswerKey, Problem, check_answer
from storm_calm.env.problems.benchmarks.question_data import first_sample, parsed, with_data
from storm_calm.env.problems.benchmarks.registry import BENCHMARKS
from storm_calm.env.row_fields import ANSWERS, QUESTIONS, answer_of, field_names, first_given, question_of

INFEASIBLE = {-9999.0, -99999.0}
"""Numbers that mean "no solution"; none is the optimum of a problem in these sets."""


def read_row(row: Mapping[str, Any], *, name: str, file: str, default_id: str) -> Problem | None:
    """Return the problem in a row; None if its label cannot be read.

    name: of the test set. file: the row's file or repository, for `Problem.source`. default_id: for a row without "id".
    Raises ValueError for a row without question or answer.
    """
    fields = field_names(row)
    if first_given(fields, QUESTIONS) is None and "description" in fields:
        fields["question"] = fields["description"]
    if _is_empty(fields):
        return None
    question = question_of(fields)
    answers = read_label(answer_in(fields))
    if not answers:
        return None
    # Elsewhere such fields can have the solution, as sample.json of NL4Opt does.
    if BENCHMARKS[name].with_data:
        question = with_data(question, fields)
    id = default_id if fields.get("id") in (None, "") else str(fields["id"])
    return Problem(
        id=id if id.startswith(name) else f"{name}-{id}",
        question=question,
        answers=answers,
        source=f"{name}: {file}{_label_origin(fields, answers)}",
    )


def _is_empty(fields: Mapping[str, Any]) -> bool:
    """Return whether a row has fields for question and answer, but nothing in them, as one of OptiMind's OptMATH."""
    return all(
        any(name in fields for name in names) and first_given(fields, names) is None for names in (QUESTIONS, ANSWERS)
    )


def answer_in(fields: Mapping[str, Any]) -> object:
    """Return the answer as it is in the row, also if it is inside another field. Raises ValueError without one.

    OptiBench: the last of `results`. ComplexOR: the first output of `sample`. NLP4LP and LogiOR: the objective of
    `solution`, or its status. BWOR: "no_optimal" as `solution_status`.
    """
    if first_given(fields, ANSWERS) is None:
        if fields.get("solution_status") == "no_optimal":
            return "infeasible"
        if "results" in fields:
            results = _value_in_text(fields["results"])
            return list(results.values())[-1] if isinstance(results, dict) and results else None
        if "sample" in fields:
            output = first_sample(fields).get("output")
            return output[0] if isinstance(output, list) and output else None
        if "solution" in fields:
            solution = parsed(fields["solution"])
            names = ("objective", "objective_value", "obj")
            found = first_given(solution, names) if isinstance(solution, dict) else None
            return solution.get("status") if isinstance(solution, dict) and found is None else found
    return answer_of(fields)


def read_label(label: object) -> tuple[AnswerKey, ...]:
    """Return the distinct accepted answers in a label; none if any part of it cannot be read."""
    if isinstance(label, str) and label.strip().startswith("["):
        label = _value_in_text(label)
        if label is None:
            return ()
    parts = label if isinstance(label, list) else [label]
    answers = [_answer(part) for part in parts]
    read = [answer for answer in answers if answer is not None]
    return tuple(dict.fromkeys(read)) if len(read) == len(parts) else ()


def _value_in_text(text: object) -> object:
    """Return the list or object that a text is, in the notation of JSON or Python; None if it is neither."""
    if not isinstance(text, str):
        return text
    for parse in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return parse(text.strip())
    return None


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
    """Return a suffix of `Problem.source` that describes the label's origin."""
    origin = f"; label of {fields['source']}" if isinstance(fields.get("source"), str) and fields["source"] else ""
    if "original_answer" in fields and read_label(fields["original_answer"]) != answers:
        origin += f"; corrected, was {short(fields['original_answer'])}"
    if isinstance(fields.get("is_checked"), bool):
        origin += "; checked" if fields["is_checked"] else "; not checked"
    return origin
