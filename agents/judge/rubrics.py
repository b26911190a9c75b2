"""Read the rubrics of OR-Space Explain and the prompt of the judge from the folder of a user.

    rubrics = read_rubrics(Path("OR-Space"))
    rubrics.by_id["or_space_001_explain"].entities

The folder is that of the whole set, its `evaluation`, or `evaluation/explain_evaluation`. There, `rubrics.jsonl` has a
line for each problem, and `judge_prompt.md` the prompt.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.env.jsonl import read_jsonl, short

RUBRICS = "rubrics.jsonl"
PROMPT = "judge_prompt.md"
FOLDERS = ("", "explain_evaluation", "evaluation/explain_evaluation", "or_space/evaluation/explain_evaluation",
           "OR-Space/evaluation/explain_evaluation")  # fmt: skip
"""Where the files are in the folder that a user gives, in the order in which it is searched."""
EXACT, SEMANTIC = "exact_match", "llm_boolean_judgment"
"""The two types of checklist items."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entity:
    """A name, symbol or value that an explanation must have."""

    id: str
    """Such as "c2.e1", for the first entity of the second checklist item."""
    text: str

    @property
    def criterion_id(self) -> str:
        return self.id.partition(".")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rubric:
    """The checklist of a problem."""

    workspace_id: str
    """The id of the problem."""
    instance_id: str
    """Its other published id, in judgments."""
    question: str
    dimension: str
    """The capability that the question measures; "" if unknown."""
    checklist: tuple[Mapping[str, Any], ...]
    """The items as published, for the judge."""
    entities: tuple[Entity, ...]
    """The entities of the items that code checks."""
    criteria: tuple[str, ...]
    """Ids of the items that the judge decides, such as "c3"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rubrics:
    """The rubrics in a folder."""

    path: Path
    by_id: Mapping[str, Rubric]
    """The rubrics by the id of the problem."""
    sha256: str
    """SHA-256 of the file."""
    prompt: str
    """The system prompt of the judge."""

    @property
    def prompt_sha256(self) -> str:
        return hashlib.sha256(self.prompt.encode()).hexdigest()


def read_rubrics(folder: Path) -> Rubrics:
    """Read the rubrics and the prompt. Raises ValueError that names the file and the line, and OSError."""
    places = [folder / name for name in FOLDERS]
    place = next((one for one in places if (one / RUBRICS).is_file()), None)
    if place is None:
        raise ValueError(
            f"{folder}: no {RUBRICS} in it; give the folder of OR-Space with evaluation/explain_evaluation"
        )
    path = place / RUBRICS
    by_id: dict[str, Rubric] = {}
    for number, rubric in read_jsonl(path, read_rubric, what="a rubric"):
        if rubric.workspace_id in by_id:
            raise ValueError(
                f'{path}:{number}: "workspace_id" {rubric.workspace_id!r} is already used; remove one line'
            )
        by_id[rubric.workspace_id] = rubric
    prompt = (place / PROMPT).read_text(encoding="utf-8")
    return Rubrics(path=path, by_id=by_id, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), prompt=prompt)


def read_rubric(row: Mapping[str, Any]) -> Rubric:
    """Return the rubric in a row. Raises ValueError that names the field."""
    texts = {name: _text(row, name) for name in ("workspace_id", "instance_id", "question")}
    items = row.get("checklist")
    if not isinstance(items, list) or not items:
        raise ValueError(f'"checklist" is {short(items)}; give a list of items')
    entities: list[Entity] = []
    criteria: list[str] = []
    for number, item in enumerate(items, start=1):
        kind = item.get("checklist_type") if isinstance(item, dict) else None
        if kind not in (EXACT, SEMANTIC):
            raise ValueError(f'item {number} of "checklist" has the type {short(kind)}; give {EXACT} or {SEMANTIC}')
        # The published scorer counts the items; the judge sees their ids.
        id = f"c{number}"
        if item.get("criterion_id", id) != id:
            raise ValueError(f'item {number} of "checklist" has the id {short(item["criterion_id"])}; give {id}')
        if kind == SEMANTIC:
            criteria.append(id)
        else:
            entities += _entities(item.get("target_entities"), id)
    dimension = row.get("dimension")
    return Rubric(
        **texts,
        dimension=dimension if isinstance(dimension, str) else "",
        checklist=tuple(items),
        entities=tuple(entities),
        criteria=tuple(criteria),
    )


def _entities(given: object, id: str) -> list[Entity]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise ValueError(f'"target_entities" of {id} is {short(given)}; give a list of texts')
    return [Entity(id=f"{id}.e{number}", text=text) for number, text in enumerate(given, start=1)]


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f'"{name}" is {short(value)}; give a text')
    return value
