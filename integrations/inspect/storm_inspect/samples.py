"""Problems as samples of a dataset, and back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inspect_ai.dataset import MemoryDataset, Sample

from storm_calm.env import Problem
from storm_calm.env.serialize import from_json, to_json
from storm_calm.env.workspace import full_question

PROBLEM = "problem"
"""The key of the problem in a sample's metadata. Models do not see metadata."""


def to_dataset(name: str, problems: Sequence[Problem]) -> MemoryDataset:
    """Return the dataset. Raises ValueError for unreadable files of a problem."""
    return MemoryDataset([to_sample(problem) for problem in problems], name=name)


def to_sample(problem: Problem) -> Sample:
    labels = {key: getattr(problem, key) for key in ("family", "difficulty", "source", "rule")}
    # A sandbox gets the data files, for solvers that work in one.
    files = {file.path: str(Path(problem.folder, file.path)) for file in problem.files}
    return Sample(
        id=problem.id,
        input=full_question(problem),
        target=[str(answer) for answer in problem.answers],
        metadata={**labels, PROBLEM: to_json(problem)},
        files=files or None,
    )


def problem_of(metadata: dict[str, Any]) -> Problem:
    """Return the problem of a sample. Raises ValueError for a sample that `to_sample` did not make."""
    if PROBLEM not in metadata:
        raise ValueError("the sample has no STORM problem in its metadata; use the datasets of storm_inspect")
    return from_json(Problem, metadata[PROBLEM])
