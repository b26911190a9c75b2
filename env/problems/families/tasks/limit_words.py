"""Limits and their changes as lines of a question."""

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from storm_calm.env.problems.families.scaled.limits import DataLimit
from storm_calm.env.problems.families.tasks.solved import Solved

T = TypeVar("T")


def labelled(prefix: str, items: Iterable[T]) -> dict[str, T]:
    """Return the items by label: "L1", "L2" and so on."""
    return {f"{prefix}{number}": item for number, item in enumerate(items, start=1)}


def listing(lines: Mapping[str, str]) -> str:
    """Return a list in Markdown."""
    return "\n".join(f"- {label}: {line}" for label, line in lines.items())


def with_place(solved: Solved, limit: DataLimit) -> str:
    """Return the words of a limit, and its place: "the capacity of plant PL-07 (capacity_t in plants.csv)"."""
    file, name = limit.place(solved.family.tables)
    return f"{limit.words(solved.data)} ({name} in {file})"


def change_words(solved: Solved, limit: DataLimit, value: float) -> str:
    """Return the change of a limit: "the capacity of plant PL-07 (capacity_t in plants.csv) falls from 32 to 25 t"."""
    before = limit.value(solved.data)
    verb = "fall" if value < before else "rise"
    verb += "" if _is_plural(limit.words(solved.data)) else "s"
    return f"{with_place(solved, limit)} {verb} from {before:.12g} to {limit.shown(value)}"


def _is_plural(words: str) -> bool:
    """Return whether words such as "the available hours of WC-12" begin with a plural."""
    return re.split(r" (?:of|that|to|on|for|in) ", words)[0].endswith("s")
