"""The libraries that programs can import: a list of distributions and their dependencies.

    storm sandbox libraries
    STORM_LIBRARIES=geopy,simpy storm curate ...

Programs see the standard library and these distributions, but not the rest of site-packages. It may contain this
project, whose problem families reveal the accepted answers.
"""

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
"""The default distributions, as far as they are installed."""

LIBRARIES_VARIABLE = "STORM_LIBRARIES"
"""The environment variable with further distributions, separated by commas or spaces."""

_MODULE = re.compile(r"[^.][^/]*\.(py|so|pyd)\Z")


@dataclass(frozen=True, slots=True)
class Library:
    """A distribution that programs can import."""

    name: str
    version: str
    paths: tuple[str, ...]
    """Its top-level files and folders in site-packages, including its metadata."""


def find(names: Iterable[str]) -> tuple[list[Library], list[str]]:
    """Return distributions with their dependencies, sorted by name, and those of `names` that are not installed.

    Markers other than extras are ignored: a dependency for another system is included if it is installed.
    Raises ValueError if a distribution is this project or depends on it.
    """
    names = list(names)
    found: dict[str, Library] = {}
    todo = [(name, "") for name in names]
    seen: set[tuple[str, str]] = set()
    while todo:
        name, extra = todo.pop()
        key = normalized_name(name)
        if (key, extra) in seen:
            continue
        seen.add((key, extra))
        if key == "storm-calm":
            raise ValueError(f"{name} can't be a library of programs: it contains the accepted answers; leave it out")
        try:
            distribution = importlib.metadata.distribution(key)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[key] = Library(key, distribution.version, tuple(sorted(_paths(distribution))))
        todo += _needed(distribution.requires or (), extra)
    missing = sorted({name for name in names if normalized_name(name) not in found})
    return sorted(found.values(), key=lambda library: library.name), missing


def importable(more: Iterable[str] = ()) -> list[Library]:
    """Return the distributions that programs can import: defaults, LIBRARIES_VARIABLE, `more`, and dependencies.

    Raises ValueError if a requested one is not installed or not allowed.
    """
    named = [*requested_distributions()[len(DISTRIBUTIONS) :], *more]
    found, missing = find((*DISTRIBUTIONS, *named))
    absent = sorted(set(missing) & set(named))
    if absent:
        raise ValueError(f"{', '.join(absent)}: not installed; install it, or leave it out of the libraries")
    return found


def requested_distributions() -> tuple[str, ...]:
    """Return the default distributions and those in LIBRARIES_VARIABLE."""
    return (*DISTRIBUTIONS, *map(normalized_name, os.environ.get(LIBRARIES_VARIABLE, "").replace(",", " ").split()))


def normalized_name(name: str) -> str:
    """Return a distribution's normalized name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _needed(requirements: Iterable[str], extra: str) -> Iterator[tuple[str, str]]:
    """Yield the names that requirements lead to, each with an extra or "". extra: the requested one."""
    for requirement in requirements:
        named = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?", requirement)
        wanted = re.search(r"""extra\s*==\s*["']([^"']*)["']""", requirement)
        if named and (wanted is None or normalized_name(wanted[1]) == normalized_name(extra or "-")):
            yield named[1], ""
            for other in filter(None, re.split(r"[\s,]+", named[2] or "")):
                yield named[1], other


def _paths(distribution: importlib.metadata.Distribution) -> Iterator[str]:
    """Yield the top-level files and folders of a distribution in site-packages."""
    folder = str(distribution.locate_file(""))
    record = distribution.read_text("RECORD")
    if record is not None:
        files = (line.partition(",")[0].strip('"') for line in record.split("\n"))
        names = {file.partition("/")[0] for file in files}
    else:
        # Debian's packages have no RECORD: use the metadata folder and the importable names.
        names = {os.path.basename(str(getattr(distribution, "_path", "")))}
        for top in (distribution.read_text("top_level.txt") or distribution.metadata["Name"]).split():
            names |= {name for name in os.listdir(folder) if name.partition(".")[0] == top}
    for name in names:
        path = os.path.join(folder, name)
        if name in ("", ".", "..", "__pycache__") or not os.path.exists(path):
            continue
        if os.path.realpath(__file__).startswith(f"{os.path.realpath(path)}/"):
            continue  # this project
        if os.path.isdir(path) or _MODULE.match(name) or name.endswith(".egg-info"):
            yield path
