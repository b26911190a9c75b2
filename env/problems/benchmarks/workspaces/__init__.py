"""Public test sets whose problems are workspaces, with data files; see each module for its set.

    for place, problem in WORKSPACES["miplib_nl"].rows(Path("MIPLIB-NL")): ...
    for problem, program in WORKSPACES["miplib_nl"].references(Path("MIPLIB-NL")): ...

Nothing of them is in this package: they are read from the folder of a user, with their published programs.
"""

from pathlib import Path

from storm_calm.env.problem import Problem
from storm_calm.env.problems.benchmarks.workspaces.dcp_bench import DCP_BENCH
from storm_calm.env.problems.benchmarks.workspaces.miplib_nl import MIPLIB_NL
from storm_calm.env.problems.benchmarks.workspaces.or_space import OR_SPACE
from storm_calm.env.problems.benchmarks.workspaces.or_space_explain import OR_SPACE_EXPLAIN
from storm_calm.env.problems.benchmarks.workspaces.workspace_set import WorkspaceSet

WORKSPACES: dict[str, WorkspaceSet] = {
    MIPLIB_NL.name: MIPLIB_NL,
    **OR_SPACE,
    OR_SPACE_EXPLAIN.name: OR_SPACE_EXPLAIN,
    DCP_BENCH.name: DCP_BENCH,
}
"""The sets by name."""


def references_in(folder: Path) -> list[tuple[Problem, str]]:
    """Return the problems, without answers, and reference programs of every set that a folder has."""
    return [pair for one in WORKSPACES.values() if one.find(folder) is not None for pair in one.references(folder)]


__all__ = ["WORKSPACES", "WorkspaceSet", "references_in"]
