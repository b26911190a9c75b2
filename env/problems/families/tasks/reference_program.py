"""The program that solves a generated problem with files."""

from storm_calm.env.problem import Problem
from storm_calm.env.problems.families.scaled import scaled_problems
from storm_calm.env.problems.families.tasks.stored_task import task_of


def reference_program(problem: Problem) -> str:
    """Return a program that solves a problem, variant or task. Raises ValueError for missing or changed files."""
    if problem.checker is not None and problem.checker.function == "task":
        return task_of(problem).program
    return scaled_problems.reference_program(problem)
