"""Recognize problems that are for evaluation only."""

import re

from storm_calm.env.problem import Problem
from storm_calm.env.problems.families.split import split_of
from storm_calm.env.problems.stress import group_of


def is_heldout(problem: Problem) -> bool:
    """Return whether a problem belongs to the families' held-out split or to a stress set.

    The id of a generated problem ends in the hash of its data, which `Instance` derives the split from.
    """
    if group_of(problem):
        return True
    content = problem.id.rpartition("-")[2]
    generated = problem.source == "generated" and re.fullmatch(r"[0-9a-f]{12}", content)
    return bool(generated) and split_of(content) == "heldout"
