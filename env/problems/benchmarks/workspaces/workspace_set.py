"""A public test set of workspaces: how its folder is found, read and solved by its published programs."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from storm_calm.env.problem import AnswerKey, Problem

log = logging.getLogger("storm")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """One folder of a test set. Reading it never reads its answer."""

    place: str
    """Where its answer is, for messages."""
    read: Callable[[], Problem]
    """Returns the problem without answers. Raises ValueError for files that are missing or cannot be read."""
    answers: Callable[[], tuple[AnswerKey, ...]]
    """Returns the accepted answers; none if the published one cannot be read. Raises OSError if those of all instances
    are missing."""
    program: Callable[[], str | None]
    """Returns the published reference program, ready for the sandbox; None without one. Raises ValueError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkspaceSet:
    """A public test set whose problems have files."""

    name: str
    """Name in commands and results."""
    folders: tuple[str, ...]
    """Where the set is in the folder that a user gives, in the order in which it is searched."""
    mark: str
    """A pattern of files that a folder of the set has, such as "*/instance.json"."""
    instances: Callable[[Path], Iterable[Instance]]
    """Lists the instances of the set in its own folder."""
    judged: bool = False
    """Whether answers are texts that a judge scores, so that problems have no accepted answer."""

    def find(self, folder: Path) -> Path | None:
        """Return the set's own folder inside the one that a user gives; None if it is not there."""
        roots = (folder / name for name in self.folders)
        return next((root for root in roots if next(root.glob(self.mark), None) is not None), None)

    def rows(self, folder: Path) -> Iterator[tuple[str, Problem | None]]:
        """Yield the place and the problem of each instance; None if the problem or its answer cannot be read.

        Raises ValueError if the folder does not have the set, and OSError if it does not have its answers.
        """
        for instance in self.instances(self._root(folder)):
            problem = _readable(instance.place, instance.read)
            answers = None if problem is None else _readable(instance.place, instance.answers, (ValueError,))
            # A checker or a judge scores without an accepted answer.
            known = answers or self.judged or (problem is not None and problem.checker is not None)
            yield instance.place, replace(problem, answers=answers or ()) if problem is not None and known else None

    def references(self, folder: Path) -> Iterator[tuple[Problem, str]]:
        """Yield each problem, without its answers, with its reference program.

        Raises ValueError if the folder does not have the set.
        """
        for instance in self.instances(self._root(folder)):
            problem = _readable(instance.place, instance.read)
            program = _readable(instance.place, instance.program) if problem is not None else None
            if problem is not None and program is not None:
                yield problem, program

    def _root(self, folder: Path) -> Path:
        root = self.find(folder)
        if root is None:
            raise ValueError(f"{folder}: no {self.name} in it; give the folder that has {self.mark}")
        return root


def _readable(
    place: str, read: Callable[[], T], errors: tuple[type[Exception], ...] = (ValueError, OSError)
) -> T | None:
    """Return what `read` returns; None, with a warning, if it raises one of `errors`: other instances can be read."""
    try:
        return read()
    except errors as error:
        log.warning("%s: left out: %s", place, error)
        return None
