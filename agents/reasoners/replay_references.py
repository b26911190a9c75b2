"""The reference programs that `replay` submits, read from a folder.

    references = read_references(Path("runs/families"))
    find(references, prompt)

The folder has `references.jsonl`, one reference a line, or is that of a public test set with published programs:

    {"id": "mix-1", "question": "A workshop makes ...", "program": "import pulp ..."}
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.env.jsonl import read_jsonl, short
from storm_calm.env.problems.benchmarks.workspaces import WORKSPACES, references_in
from storm_calm.env.special_tokens import harmless
from storm_calm.env.workspace import full_question

FILE_NAME = "references.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A problem's question and a program that solves it."""

    id: str
    question: str
    """The question, as prompts have it."""
    full: str = ""
    """The question with the descriptions of its files; "" if unknown."""
    program: str


def read_references(folder: Path) -> list[Reference]:
    """Return the references in a folder. Raises ValueError that names the folder or the line, and the fix."""
    file = folder / FILE_NAME
    if file.is_file():
        references = [reference for _, reference in read_jsonl(file, _reference, what="a reference program")]
        if not references:
            raise ValueError(f"{file}: is empty; write it with `storm families --write DIR`")
        return references
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; give one with {FILE_NAME}, or with a public test set")
    found = [
        Reference(
            id=problem.id,
            question=harmless(problem.question.strip()),
            full=harmless(full_question(problem).strip()),
            program=program,
        )
        for problem, program in references_in(folder)
    ]
    if not found:
        raise ValueError(
            f"{folder}: no reference programs; give a folder with {FILE_NAME}, which `storm families --write DIR` "
            f"writes, or with one of the test sets {', '.join(WORKSPACES)} and its published programs"
        )
    return found


def _reference(record: dict[str, Any]) -> Reference:
    texts: dict[str, str] = {}
    for name in ("id", "question", "program"):
        value = record.get(name)
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f'"{name}" is {short(value)}; give a text that is not empty')
        texts[name] = value
    return Reference(id=texts["id"], question=harmless(texts["question"].strip()), program=texts["program"])


def find(references: Sequence[Reference], question: str) -> list[Reference]:
    """Return the references whose question occurs in a question of a prompt: those with the longest one.

    If several have the same question, those remain whose files have the same descriptions, and of equal programs one.
    """
    found = [reference for reference in references if reference.question in question]
    longest = max((len(reference.question) for reference in found), default=0)
    best = [reference for reference in found if len(reference.question) == longest]
    exact = [reference for reference in best if reference.full and reference.full in question]
    return list({reference.program: reference for reference in exact or best}.values())
