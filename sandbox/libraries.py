"""Which libraries programs can import: a list of distributions, and what these need.

    storm sandbox libraries
    STORM_LIBRARIES=geopy,simpy storm curate ...

Programs see the standard library and these, never the rest of site-packages: there this project may lie, with the
problem families from which the accepted answers can be worked out, and whatever else was installed for other purposes.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

DISTRIBUTIONS = (
    "coptpy",
    "cvxpy",
    "gurobipy",
    "highspy",
    "matplotlib",
    "networkx",
    "numpy",
    "openpyxl",
    "ortools",
    "pandas",
    "pulp",
    "pyomo",
    "pyscipopt",
    "scipy",
    "statsmodels",
    "sympy",
)
"""What programs can import by default, as far as it is installed."""

LIBRARIES_VARIABLE = "STORM_LIBRARIES"
"""The environment variable that names more of them, separated by commas or spaces."""

_OWN = "storm-calm"
_MODULE = re.compile(r"[^.][^/]*\.(py|so|pyd)\Z")


@dataclass(frozen=True, slots=True)
class Library:
    """A distribution that programs can import."""

    name: str
    version: str
    paths: tuple[str, ...]
    """The files and folders that it put into site-packages, those at the top; its metadata are one of them."""


def find(names: Iterable[str]) -> tuple[list[Library], list[str]]:
    """Look up distributions and all that they need; returns them by name, and which of `names` are not installed.

    A requirement that holds only elsewhere, as on another system, counts if it is installed.
    Raises ValueError for a distribution that is part of this project, or needs it.
    """
    found: dict[str, Library] = {}
    missing: list[str] = []
    todo = [(name, "") for name in names]
    requested = {normalized_name(name) for name, _ in todo}
    seen: set[tuple[str, str]] = set()
    while todo:
        name, extra = todo.pop()
        key = normalized_name(name)
        if (key, extra) in seen:
            continue
        seen.add((key, extra))
        if key == _OWN:
            raise ValueError(f"{name} can't be a library of programs: the accepted answers could be found with it")
        try:
            distribution = importlib.metadata.distribution(key)
        except importlib.metadata.PackageNotFoundError:
            if key in requested:
                missing.append(name)
            continue
        found[key] = Library(key, distribution.version, tuple(sorted(_paths(distribution))))
        todo += _needed(distribution.requires or (), extra)
    return sorted(found.values(), key=lambda library: library.name), sorted(missing)


def importable(more: Iterable[str] = ()) -> list[Library]:
    """What programs can import: the default distributions, those that the environment names, `more`, and their needs.

    Raises ValueError if one of those that were named is not installed, or may not be imported.
    """
    named = [*requested_distributions()[len(DISTRIBUTIONS) :], *more]
    found, missing = find((*DISTRIBUTIONS, *named))
    absent = sorted(set(missing) & set(named))
    if absent:
        raise ValueError(
            f"{', '.join(absent)}: not installed, so no program can import it; install it, or leave it out"
        )
    return found


def requested_distributions() -> tuple[str, ...]:
    """The default distributions and those that the environment names."""
    return (*DISTRIBUTIONS, *map(normalized_name, os.environ.get(LIBRARIES_VARIABLE, "").replace(",", " ").split()))


def normalized_name(name: str) -> str:
    """A distribution's name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _needed(requirements: Iterable[str], extra: str) -> Iterator[tuple[str, str]]:
    """The names that requirements lead to, each with an extra of it or "". extra: the one that is asked for."""
    for requirement in requirements:
        named = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?", requirement)
        wanted = re.search(r"""extra\s*==\s*["']([^"']*)["']""", requirement)
        if named and (wanted is None or normalized_name(wanted[1]) == normalized_name(extra or "-")):
            yield named[1], ""
            for other in filter(None, re.split(r"[\s,]+", named[2] or "")):
                yield named[1], other


def _paths(distribution: importlib.metadata.Distribution) -> Iterator[str]:
    """The files and folders at the top of site-packages that belong to a distribution."""
    folder = str(distribution.locate_file(""))
    record = distribution.read_text("RECORD")
    if record is not None:
        files = (line.partition(",")[0].strip('"') for line in record.split("\n"))
        names = {file.partition("/")[0] for file in files}
    else:
        # As Debian's packages: the metadata, and the names that can be imported.
        names = {os.path.basename(str(getattr(distribution, "_path", "")))}
        for top in (distribution.read_text("top_level.txt") or distribution.metadata["Name"]).split():
            names |= {name for name in os.listdir(folder) if name.partition(".")[0] == top}
    for name in names:
        path = os.path.join(folder, name)
        if name in ("", ".", "..", "__pycache__") or not os.path.exists(path):
            continue
        if os.path.realpath(__file__).startswith(f"{os.path.realpath(path)}/"):
            continue  # This project, whatever the record says.
        if os.path.isdir(path) or _MODULE.match(name) or name.endswith(".egg-info"):
            yield path
