"""The problems of a large run in a temporary file, so that memory does not depend on their number.

    problems = stored_problems(generate(("all",), limit=1_000_000))
    problems[17].question

A problem of the families takes about 1.3 kB as an object. In the file it takes 8 bytes of memory, for its place.
"""

import json
import os
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import BinaryIO, overload

from storm_calm.env import Problem
from storm_calm.env.serialize import from_json, to_json

IN_MEMORY = 10_000
"""The most problems that are kept as objects."""


def stored_problems(problems: Iterable[Problem]) -> "Sequence[Problem]":
    """Return the problems as a sequence: few as a tuple, many in a file that is deleted with the process."""
    left = iter(problems)
    first = tuple(islice(left, IN_MEMORY + 1))
    if len(first) <= IN_MEMORY:
        return first
    # The directory for temporary files can be memory; its variable TMPDIR selects another one.
    file = tempfile.TemporaryFile("w+b")  # noqa: SIM115
    starts = array("Q", [0])
    for problem in chain(first, left):
        starts.append(starts[-1] + file.write(json.dumps(to_json(problem)).encode()))
    file.flush()
    return StoredProblems(file, starts, array("Q", range(len(starts) - 1)))


class StoredProblems(Sequence[Problem]):
    """Problems in a file. Thread-safe."""

    def __init__(self, file: BinaryIO, starts: "array[int]", chosen: "array[int]") -> None:
        """starts: offsets of all problems in the file, and its end. chosen: the numbers of these problems."""
        self._file, self._starts, self._chosen = file, starts, chosen

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, index: int) -> Problem: ...
    @overload
    def __getitem__(self, index: slice) -> "StoredProblems": ...
    def __getitem__(self, index: int | slice) -> "Problem | StoredProblems":
        if isinstance(index, slice):
            return StoredProblems(self._file, self._starts, self._chosen[index])
        number = self._chosen[index]
        start, end = self._starts[number], self._starts[number + 1]
        return from_json(Problem, json.loads(os.pread(self._file.fileno(), end - start, start)))

    def __iter__(self) -> Iterator[Problem]:
        return (self[index] for index in range(len(self)))

    def where(self, holds: Callable[[Problem], bool]) -> "StoredProblems":
        """Return those for which `holds` is true."""
        chosen = array("Q", (number for number, problem in zip(self._chosen, self, strict=True) if holds(problem)))
        return StoredProblems(self._file, self._starts, chosen)


class ProblemJobs:
    """Problems as the jobs of a run, by their ids."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self._problems = problems

    def __len__(self) -> int:
        return len(self._problems)

    def __iter__(self) -> Iterator[str]:
        return (problem.id for problem in self._problems)

    def __contains__(self, id: object) -> bool:
        return any(id == one for one in self)

    def items(self) -> Iterator[tuple[str, Problem]]:
        return ((problem.id, problem) for problem in self._problems)
