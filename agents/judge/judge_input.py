"""The request to the judge: exactly the published system prompt and the published input, as JSON.

    messages = messages_to_judge(rubrics.prompt, judge_input(rubric, explanation, read_evidence(problem)))

The input has the question, the explanation, the checklist, the results of the exact matching, and all files of the
workspace as evidence. These are the files that the model could read: their SHA-256 is checked.
"""

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from storm_calm.agents.interveners.reply_parser import sound
from storm_calm.agents.judge.entity_match import has_entity
from storm_calm.agents.judge.rubrics import Rubric
from storm_calm.env import Problem
from storm_calm.env.workspace import read_file

MAX_EVIDENCE = 1_000_000
"""Characters of all files of a problem together; evidence is never cut."""


def read_evidence(problem: Problem) -> list[dict[str, str]]:
    """Return path and content of each file of the problem, sorted by path.

    Raises ValueError for files that are missing, changed, not UTF-8, or too long together.
    """
    evidence: list[dict[str, str]] = []
    for file in sorted(problem.files, key=lambda one: PurePosixPath(one.path).parts):
        try:
            text = read_file(problem.folder, file).decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{problem.folder}/{file.path}: not UTF-8, so it cannot be evidence; restore it") from None
        evidence.append({"path": file.path, "content": text.replace("\r\n", "\n").replace("\r", "\n")})
    length = sum(len(one["content"]) for one in evidence)
    if length > MAX_EVIDENCE:
        raise ValueError(f"{problem.folder}: its files have {length} characters, more than {MAX_EVIDENCE}")
    return evidence


def exact_results(explanation: str, rubric: Rubric) -> list[dict[str, Any]]:
    """Return the published record of each entity, with `hit` 1 or 0."""
    return [
        {
            "criterion_id": entity.criterion_id,
            "entity_id": entity.id,
            "entity": entity.text,
            "hit": int(has_entity(explanation, entity.text)),
        }
        for entity in rubric.entities
    ]


def judge_input(rubric: Rubric, explanation: str, evidence: Sequence[dict[str, str]]) -> dict[str, Any]:
    """Return the input of the judge for one explanation."""
    return {
        "instance_id": rubric.instance_id,
        "question": rubric.question,
        "answer": explanation,
        "checklist": list(rubric.checklist),
        "exact_match_results": exact_results(explanation, rubric),
        "verified_evidence": list(evidence),
    }


def messages_to_judge(prompt: str, given: dict[str, Any]) -> list[dict[str, str]]:
    """Return the messages of a request. prompt: the system prompt. given: the input."""
    content = json.dumps(given, ensure_ascii=False, sort_keys=True)
    return [{"role": "system", "content": prompt}, {"role": "user", "content": sound(content)}]
