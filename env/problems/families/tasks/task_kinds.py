"""The tasks and their variants, by name, and those of a problem."""

import re
from collections.abc import Sequence

from storm_calm.env.problem import Problem

TASKS: dict[str, tuple[str, ...]] = {
    "plan": ("original", "wording", "objective", "constraint"),
    "revise": ("number", "objective", "constraint"),
    "explain": ("binding", "worth", "tighter", "conflict"),
}
"""The variants of each task."""

ORIGINAL = "original"


def chosen_variants(task: str, variants: Sequence[str]) -> tuple[str, ...]:
    """Return the variants of a task: those given or, without any, all; of the task "plan" the original.

    Raises ValueError for unknown names.
    """
    if task not in TASKS:
        raise ValueError(f'unknown task "{task}"; known: {", ".join(TASKS)}')
    for name in variants:
        if name not in TASKS[task]:
            raise ValueError(f'unknown variant "{name}" of the task {task}; known: {", ".join(TASKS[task])}')
    if not variants:
        return (ORIGINAL,) if task == "plan" else TASKS[task]
    return tuple(name for name in TASKS[task] if name in variants)


def id_of(family: str, task: str, variant: str, size: int, content: str) -> str:
    """Return the id of a problem. It ends in the hash of the original data, which determines the split."""
    names = [family, *([task] if task != "plan" else []), *([variant] if variant != ORIGINAL else [])]
    return "-".join([*names, str(size), content[:12]])


def variant_of(problem: Problem) -> str:
    """Return the variant of a generated problem with files, such as "wording" or "revise number"; "" for others."""
    if problem.source != "generated" or not problem.family:
        return ""
    found = re.fullmatch(r"(?:([a-z]+(?:-[a-z]+)?)-)?\d+-[0-9a-f]{12}", problem.id.removeprefix(f"{problem.family}-"))
    return "" if found is None else (found[1] or ORIGINAL).replace("-", " ")
