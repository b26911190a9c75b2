"""Check the plans of problems with files (`families.scaled`) against the data in the files."""

from collections.abc import Mapping
from typing import Any

from storm_calm.env.output_check import OutputCheck
from storm_calm.env.problem import Problem
from storm_calm.env.problems.families.scaled import SCALED
from storm_calm.env.problems.families.scaled.scaled_family import PLAN
from storm_calm.env.problems.families.scaled.tables import read_tables


def check_plan(problem: Problem, files: Mapping[str, bytes], outputs: Mapping[str, Any]) -> OutputCheck:
    """Return whether the plan satisfies all requirements, its objective value, and the violated ones in words.

    outputs: the plan under `PLAN`, which fits the problem's schema. It is checked without the model and its solution.
    """
    family = SCALED[problem.family]
    check = family.check(read_tables(family.tables, files), outputs[PLAN])
    return OutputCheck(feasible=not check.violations, objective=check.objective, violations=tuple(check.violations))
