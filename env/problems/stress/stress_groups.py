"""The groups of stress problems, separate from the kinds, which import solvers."""

from typing import Literal, get_args

from storm_calm.env.problem import Problem

Group = Literal["outside", "mixed"]

GROUPS: tuple[str, ...] = get_args(Group)
SOURCE = "stress"
"""Prefix of every stress problem's source, as in "stress: mixed"."""


def group_of(problem: Problem) -> str:
    """Return the group of a stress problem; "" for any other problem."""
    name, colon, group = problem.source.partition(": ")
    return group if colon and name == SOURCE and group in GROUPS else ""
