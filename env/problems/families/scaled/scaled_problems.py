"""Generate problems of a wanted size: their data in files, their answers proven.

    for problem in scaled_problems([SCALED["facility"]], split="train", seed=7, size=5000, folder=Path("problems")): ...

The seed determines the data. A solver of another version may prove another answer within the tolerance.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from storm_calm.env.problem import Checker, Output, Problem
from storm_calm.env.problems.families.scaled import SCALED
from storm_calm.env.problems.families.scaled.answer import proven_answer
from storm_calm.env.problems.families.scaled.scaled_family import PLAN, ScaledFamily
from storm_calm.env.problems.families.scaled.tables import Data
from storm_calm.env.problems.families.scaled.workspace_files import (
    read_data,
    store_answer,
    stored_answer,
    write_data,
)
from storm_calm.env.problems.families.split import Split, content_hash, split_of
from storm_calm.env.problems.families.wording import Wording

SIZES = (20, 50_000)
"""The smallest and the largest size."""
MAX_DRAWS = 20
"""Draws of a problem until an optimum is proven."""
SECONDS = 60.0
"""Time limit of each program, for each `SECONDS_SIZE` variables of a larger problem."""
SECONDS_SIZE = 5000
MEMORY_MB = 2048
PROGRAM_GAP = 0.8
"""The gap of reference programs relative to the tolerance: two plans with gaps differ by a little more than one gap."""


def scaled_problems(
    families: Sequence[ScaledFamily], *, split: Split, seed: int, size: int, folder: Path
) -> Iterator[Problem]:
    """Yield endless distinct problems of one split, the families in turn.

    size: about the number of variables. folder: each problem's files are in a folder of its id in it; one that exists
    with the same files is used again. Raises ValueError for an invalid size, or a folder with other files.
    """
    check_size(size)
    seen: set[str] = set()
    for turn in count():
        for family in families:
            rng = random.Random(f"{seed}/{family.name}/{size}/{turn}")
            for _ in range(MAX_DRAWS):
                content, data, question = draw_new(family, rng, split=split, size=size, seen=seen)
                problem = scaled_problem(
                    family, data, question, id=f"{family.name}-{size}-{content[:12]}", folder=folder
                )
                if problem is not None:
                    yield problem
                    break
            else:
                raise ValueError(f"{family.name}: in {MAX_DRAWS} draws of size {size}, no solver proved an optimum")


def check_size(size: int) -> None:
    """Raise ValueError for an invalid size."""
    if not SIZES[0] <= size <= SIZES[1]:
        raise ValueError(f"size is {size}; give a whole number from {SIZES[0]} to {SIZES[1]}")


def draw_new(
    family: ScaledFamily, rng: random.Random, *, split: Split, size: int, seen: set[str]
) -> tuple[str, Data, str]:
    """Return content hash, data and question of a problem that is not in `seen`, and add it."""
    while True:
        data = family.draw(rng, size)
        content = content_hash(family.name, data)
        if split_of(content) == split and content not in seen:
            seen.add(content)
            return content, data, family.question(data, wording_of(content))


def wording_of(content: str) -> Wording:
    """Return the wording of the problem with this content hash."""
    return Wording(random.Random(content))


def scaled_problem(family: ScaledFamily, data: Data, question: str, *, id: str, folder: Path) -> Problem | None:
    """Return the problem with these data, and write its files; None if its answer is not proven.

    Raises ValueError if its folder has other files.
    """
    own = folder.absolute() / id
    proven = stored_answer(own)
    if proven is None:
        proven = proven_answer(family, data)
        if proven is None:
            return None
    files = write_data(own, family, data)
    store_answer(own, proven)
    return Problem(
        id=id,
        question=f"{question} {tolerance_words(proven.tolerance)}".rstrip(),
        answers=(proven.answer,),
        rule="sirl",
        source="generated",
        family=family.name,
        difficulty=family.difficulty,
        folder=str(own),
        files=files,
        outputs=(Output(path=PLAN, schema=family.schema(data)),),
        checker=Checker(function="family"),
        time_limit=seconds_for(proven.variables),
        memory_mb=MEMORY_MB,
        tolerance=proven.tolerance,
    )


def tolerance_words(tolerance: float) -> str:
    return f"A plan within {100 * tolerance:g}% of the best objective value is good enough."


def seconds_for(variables: int) -> float:
    """Return the time limit of a program."""
    return SECONDS * max(1, round(variables / SECONDS_SIZE))


def reference_program(problem: Problem) -> str:
    """Return a program that solves a problem of `scaled_problems`. Raises ValueError for missing or changed files."""
    family = SCALED[problem.family]
    return family.program_within(read_data(family, problem), PROGRAM_GAP * problem.tolerance)
