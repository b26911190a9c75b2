"""A question about a solved problem, with its true answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.scaled.plan_schema import Schema
from storm_calm.env.problems.families.tasks.file_changes import Differences

EXPLANATION = "explanation.json"
"""The file of the answers."""

ExplanationKind = Literal["binding", "worth", "tighter", "conflict"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """A question about a solved problem."""

    kind: ExplanationKind
    question: str
    """What is asked, in words."""
    schema: Schema
    """The schema of the answer's file."""
    truth: dict[str, Any]
    """What `check_task` compares the file with; JSON data."""
    answers: tuple[AnswerKey, ...]
    """The numbers that sum up right answers."""
    changes: Mapping[str, Differences] = field(default_factory=dict)
    """The changes of the files that the reference program makes, by label."""
