"""How a stress problem is known for one; kept apart from the kinds, which need solvers to be imported."""

from __future__ import annotations

from typing import Literal, get_args

from storm_calm.env.problem import Problem

Group = Literal["outside", "mixed"]

GROUPS: tuple[str, ...] = get_args(Group)
"""The groups of kinds."""

SOURCE = "stress"
"""What the source of every stress problem begins with, as in "stress: mixed"."""


def group_of(problem: Problem) -> str:
    """The group of a stress problem; "" for any other problem."""
    name, colon, group = problem.source.partition(": ")
    return group if colon and name == SOURCE and group in GROUPS else ""
