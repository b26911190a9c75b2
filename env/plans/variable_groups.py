"""Variables by base name and index, for tables and charts.

split_name("ship['A', 2]")    ("ship", ("A", "2"))
split_name("ship[A][2]")      ("ship", ("A", "2"))
split_name("ship_('A',_2)")   ("ship", ("A", "2"))       PuLP
variable_groups(plan)         also ship_A_2, if there are three variables of this form
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from storm_calm.env.plans.plan import PlanLine

_BRACKETED = re.compile(r"([^\[\](){}]+?)_?((?:\[[^\[\]]*\])+|\([^()]*\))")
_BRACKETS = re.compile(r"[\[(]([^\[\]()]*)[\])]")
_PART = re.compile(r"'[^']*'|\"[^\"]*\"|[^,]+")
LEAST = 3
"""Variables with the same base name and number of parts, from which parts after underscores are indices."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VariableGroup:
    """Variables with one base name, such as ship[A, 1] and ship[A, 2]."""

    name: str
    """The base name; "" for variables without an index."""
    size: int
    """Number of indices of each variable."""
    indices: tuple[tuple[str, ...], ...]
    """The indices of each variable; its own name if it has none."""
    values: tuple[float, ...]
    """The value of each variable."""
    names: tuple[str, ...]
    """The full name of each variable."""


def split_name(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the base name and the indices of a name with brackets; the name and no indices for others."""
    found = _BRACKETED.fullmatch(name)
    if found is None:
        return name, ()
    inside = [part for bracket in _BRACKETS.findall(found[2]) for part in _PART.findall(bracket)]
    indices = tuple(part.strip(" _").strip("'\"") for part in inside)
    return (found[1], indices) if indices and all(indices) else (name, ())


def variable_groups(lines: Iterable[PlanLine]) -> tuple[VariableGroup, ...]:
    """Return the groups in the order of their first variable; at the end the group "" of those without an index."""
    lines = list(lines)
    parts = {line.name: split_name(line.name) for line in lines}
    underscored: dict[tuple[str, int], list[str]] = defaultdict(list)
    for name, (_, indices) in parts.items():
        base, *rest = name.split("_")
        if not indices and base and rest and all(rest):
            underscored[base, len(rest)].append(name)
    for (base, size), names in underscored.items():
        if len(names) >= LEAST:
            parts |= {name: (base, tuple(name.split("_", size)[1:])) for name in names}
    members: dict[tuple[str, int], list[PlanLine]] = defaultdict(list)
    for line in lines:
        base, indices = parts[line.name]
        members[(base, len(indices)) if indices else ("", 0)].append(line)
    ordered = sorted(members.items(), key=lambda item: not item[0][1])
    return tuple(
        VariableGroup(
            name=base,
            size=size,
            indices=tuple(parts[line.name][1] or (line.name,) for line in found),
            values=tuple(line.value for line in found),
            names=tuple(line.name for line in found),
        )
        for (base, size), found in ordered
    )
