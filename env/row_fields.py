"""Find the question and the answer of a row under their published names.

Names are compared without case, spaces and punctuation: "Optimal Value" is `optimal_value`. A question can also be a
list of chat messages.
"""

import re
from collections.abc import Mapping
from typing import Any

from storm_calm.env.jsonl import short

QUESTIONS = (
    "en_question",
    "question",
    "problem",
    "problem_description",
    "ch_question",
    "zh_question",
    "cn_question",
    "问题",
    "题目",
    "prompt",
    "messages",
)
"""Names of the question, the preferred one first."""
ANSWERS = (
    "en_answer",
    "answer",
    "answers",
    "ground_truth",
    "label",
    "optimal_value",
    "optimal_solution_value",
    "optimal_objective",
    "objective_value",
    "答案",
    "参考答案",
)
"""Names of the answer, the preferred one first."""

QUESTION_FIX = 'give a text as "en_question", "question" or "Question"'
ANSWER_FIX = 'give it as "en_answer", "answer" or "Answer"'


def field_names(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a row by their normalized names. Of two with the same name the first counts."""
    fields: dict[str, Any] = {}
    for name, value in row.items():
        fields.setdefault(re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_"), value)
    return fields


def question_of(fields: Mapping[str, Any]) -> str:
    """Return the question. Raises ValueError without one."""
    value = first_given(fields, QUESTIONS)
    text = _message_text(value) if isinstance(value, list) else value
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"no question: {short(value)}; {QUESTION_FIX}")
    return text


def answer_of(fields: Mapping[str, Any]) -> Any:
    """Return the answer as it is in the row. Raises ValueError if the row has no field for it."""
    reward_model = fields.get("reward_model")
    if isinstance(reward_model, dict):  # as in the training data of veRL
        fields = {**reward_model, **fields}
    if not any(name in fields for name in ANSWERS):
        raise ValueError(f"no answer; {ANSWER_FIX}")
    return first_given(fields, ANSWERS)


def first_given(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """Return the value of the first name that has one; None if none has."""
    return next((fields[name] for name in names if fields.get(name) not in (None, "")), None)


def _message_text(messages: list[Any]) -> str | None:
    """Return the content of the only user message; None if there is not exactly one."""
    contents = [part.get("content") for part in messages if isinstance(part, dict) and part.get("role") == "user"]
    if len(contents) != 1:
        return None
    (content,) = contents
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "\n".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else None
