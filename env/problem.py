"""Problems with their accepted answers. A reasoner sees only the question, the files and the wanted outputs.

    Problem(id="mix", question="A workshop makes ...", answers=(1234.5,))
    Problem(
        id="depots", question="Which depots ...", answers=(1200.0,), folder="/data/depots",
        files=(ProblemFile(path="costs.csv", sha256="9f86..."),),
        outputs=(Output(path="plan.json", schema={"type": "object"}),),
        checker=Checker(program=ProblemFile(path="check.py", sha256="2c26...")),
    )

A problem with files is also called a workspace. The contents stay in its folder; `env.workspace` reads them.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from storm_calm.env.json_schema import check_schema
from storm_calm.sandbox.file_names import check_distinct, normalized_path

AnswerKey = float | Literal["infeasible", "unbounded"]
"""An accepted answer: a number in the unit the question asks for, or why an optimum does not exist."""

Difficulty = Literal["easy", "complex", ""]
"""Difficulty of a generated problem; "" if unknown."""


STANDARD_OUTPUT = "-"
"""The path of an output that a program prints."""

TOLERANCE = 1e-4
"""The default `Problem.tolerance`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProblemFile:
    """A file in the folder of a problem."""

    path: str
    """Relative path in the folder, with "/"."""
    sha256: str
    """SHA-256 of the content, in hexadecimal."""

    def __post_init__(self) -> None:
        if normalized_path(self.path) != self.path:
            raise ValueError(f"path {self.path!r} must be {normalized_path(self.path)!r}")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 of {self.path!r} is {self.sha256!r:.80}; give 64 digits 0-9 and a-f")


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """A result that a program must write, such as the plan."""

    path: str
    """Relative path of the file in the program's folder; "-" for a JSON object in its standard output."""
    schema: dict[str, Any] | None = None
    """JSON Schema (2020-12) of a JSON file; None for any content."""

    def __post_init__(self) -> None:
        if self.path != STANDARD_OUTPUT and normalized_path(self.path) != self.path:
            raise ValueError(f"path {self.path!r} must be {normalized_path(self.path)!r}")
        if self.path == "main.py":
            raise ValueError("an output has the path main.py, the program itself; give another")
        if self.schema is not None:
            check_schema(self.schema)


@dataclass(frozen=True, kw_only=True, slots=True)
class Checker:
    """What checks the outputs: a trusted function of this project, or a program that runs in a sandbox of its own."""

    function: str = ""
    """Key of `env.checkers.FUNCTIONS`; "" for a program."""
    program: ProblemFile | None = None
    """A Python program, see `env.checkers.run_checker`. The reasoner never sees it."""
    data: ProblemFile | None = None
    """What a function needs to know besides the problem's files. The reasoner never sees it."""

    def __post_init__(self) -> None:
        if bool(self.function) == (self.program is not None):
            raise ValueError("a checker is a function or a program; give one of them")
        if self.program is not None and self.data is not None:
            raise ValueError("a checker's program has no data; put them into the program")

    @property
    def file(self) -> ProblemFile | None:
        """The file in the folder of the problem, if any."""
        return self.program or self.data


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One optimization problem in words, with its accepted answers."""

    id: str
    """Unique within a file of problems."""
    question: str
    """The problem in words, data included."""
    answers: tuple[AnswerKey, ...]
    """The accepted answers; any of them is correct. Empty if unknown, then the problem cannot be scored."""
    rule: str = "paper"
    """Name of the scoring rule (`env.reward.RULES`) for the answers."""
    source: str = ""
    """Origin of the problem and its answers, such as a data set and its release."""
    family: str = ""
    """Problem family of a generated problem, such as "knapsack"; "" for others."""
    difficulty: Difficulty = ""
    """Intended difficulty."""
    folder: str = field(default="", compare=False)
    """The folder of `files` and of the checker's file."""
    files: tuple[ProblemFile, ...] = ()
    """Data files, which programs find under the same paths."""
    outputs: tuple[Output, ...] = ()
    """Results that a program must write. They are checked if the answer is not a status."""
    checker: Checker | None = None
    """Checks the outputs; None if only their schemas count."""
    time_limit: float | None = None
    """Wall seconds of each program, instead of the sandbox's."""
    memory_mb: int | None = None
    """MiB of memory of each program, instead of the sandbox's."""
    tolerance: float = TOLERANCE
    """The largest gap of a correct plan, see `env.Score.gap`."""
    data_description: str = ""
    """The description of the files that an environment adds to those of the problem. It is a part of the prompt, but
    not of the question: rules that compare a program with the question do not read it."""

    def __post_init__(self) -> None:
        for name in ("id", "question", "rule"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise ValueError(f"{name} is {value!r}; give a text that is not empty")
        for name in ("source", "family"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} is {getattr(self, name)!r}; give a text")
        if not isinstance(self.answers, tuple):
            raise ValueError(f"answers is {self.answers!r}; give a tuple")
        for answer in self.answers:
            check_answer(answer)
        if self.difficulty not in get_args(Difficulty):
            raise ValueError(f'difficulty is {self.difficulty!r}; give "easy", "complex" or ""')
        self._check_workspace()

    def _check_workspace(self) -> None:
        check_distinct([file.path for file in self.files])
        check_distinct([output.path for output in self.outputs])
        both = {file.path for file in self.files} & {output.path for output in self.outputs}
        if both:
            raise ValueError(f"{min(both)!r} is a file and an output; give the output another path")
        if any(file.path == "main.py" for file in self.files):
            raise ValueError("a file has the path main.py, which is the program itself; rename it")
        if (self.files or (self.checker and self.checker.file)) and not self.folder:
            raise ValueError("files need a folder; give the one that they are in")
        if self.checker is not None and not self.outputs:
            raise ValueError("a checker needs outputs; give what programs must write")
        for name, least in (("time_limit", 0.0), ("memory_mb", 1), ("tolerance", 0.0)):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= least):
                raise ValueError(f"{name} is {value!r}; give a number of at least {least}")
        if self.time_limit == 0:
            raise ValueError("time_limit is 0; give a positive number of seconds")


def check_answer(answer: object) -> None:
    """Raise ValueError unless `answer` can be an `AnswerKey`: a finite number, "infeasible" or "unbounded"."""
    number = isinstance(answer, (int, float)) and not isinstance(answer, bool) and math.isfinite(answer)
    if not number and answer not in ("infeasible", "unbounded"):
        raise ValueError(f'answer is {answer!r}; give a finite number, "infeasible" or "unbounded"')
