"""Load test sets and their releases from a folder or from the Hub."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from storm_calm.env.problem import Problem
from storm_calm.env.problems.benchmarks.benchmark_files import BenchmarkFile, find_file
from storm_calm.env.problems.benchmarks.benchmark_rows import read_row
from storm_calm.env.problems.benchmarks.problem_folders import read_folder
from storm_calm.env.problems.benchmarks.registry import BENCHMARKS, RELEASE_NAMES, Benchmark
from storm_calm.env.problems.benchmarks.releases import Release, releases_of
from storm_calm.env.problems.benchmarks.workspaces import WORKSPACES
from storm_calm.env.row_files import read_rows

Rows = Iterable[tuple[str, Problem | None]]
"""The place and the problem of each row; None for a row whose label cannot be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedRelease:
    """A release of a test set that was read."""

    benchmark: str
    release: str
    file: str
    """Name of the file or folder, or repository and split on the Hub."""
    sha256: str
    """SHA-256 of the file or folder; "" on the Hub, and for `workspaces`, whose files have their own."""
    published: bool | None
    """Whether this is the SHA-256 of a published file; None without a SHA-256."""
    problems: tuple[Problem, ...]
    unread: tuple[str, ...]
    """Rows without a readable label: file and line or item, or repository and row, of each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """The problems of some test sets."""

    problems: Sequence[Problem]
    """The problems, one set after another."""
    unread: tuple[str, ...]
    """Rows of these sets without a readable label: file and line or item, or repository and row, of each."""
    releases: tuple[LoadedRelease, ...] = ()
    """For each set the release with its problems, then others with labels for them."""


def load_benchmarks(
    names: Sequence[str], folder: Path | None = None, *, releases: Sequence[str] = (), limit: int | None = None
) -> Loaded:
    """Load the problems of these test sets.

    names: keys of `BENCHMARKS`. folder: has a file for each; None for the Hub, which needs the package `datasets`.
    releases: keys of `RELEASE_NAMES`. The problems are those of the first; by default of the only release in the
    folder, or the original. The others are read for their labels; a set that is not known to have one goes without it.
    limit: first problems to take of each set; None for all.
    Raises ValueError for an unknown name, a release with no file or several in `folder`, an invalid row, a release
    that is not on the Hub, or if `datasets` is missing.
    """
    for given, known, what in ((names, BENCHMARKS, "benchmark"), (releases, RELEASE_NAMES, "release")):
        unknown = [name for name in given if name not in known]
        if unknown or not names:
            fault = f'unknown {what} "{unknown[0]}"' if unknown else "no benchmark given"
            raise ValueError(f"{fault}; known: {', '.join(known)}")
    first, *others = dict.fromkeys(releases) or [""]
    loaded: list[LoadedRelease] = []
    for name in dict.fromkeys(names):
        loaded.append(_load(BENCHMARKS[name], folder, first, limit))
        known_others = [one for one in others if any(release.name == one for release in releases_of(name))]
        loaded += [_load(BENCHMARKS[name], folder, one, None) for one in known_others]
    leading = [one for one in loaded if one.release == first or not first]
    problems = tuple(problem for one in leading for problem in one.problems)
    unread = tuple(place for one in leading for place in one.unread)
    if not problems:
        first_place = f": {len(unread)} unreadable labels, the first at {unread[0]}" if unread else ""
        raise ValueError(f"no problems in {', '.join(names)}{first_place}; give a file with readable labels")
    return Loaded(problems=problems, unread=unread, releases=tuple(loaded))


def _load(benchmark: Benchmark, folder: Path | None, release: str, limit: int | None) -> LoadedRelease:
    problems: list[Problem] = []
    unread: list[str] = []
    taken: dict[str, str] = {}
    if folder is not None and benchmark.name in WORKSPACES:
        found, sha256, published, name = _only_release(benchmark, release), "", None, folder.resolve().name
        rows: Rows = WORKSPACES[benchmark.name].rows(folder)
    elif folder is not None:
        file = find_file(benchmark.name, folder, release)
        found, sha256, published = file.release, file.sha256, file.published
        name, rows = file.name, _from_file(file)
    else:
        on_hub = _on_hub(benchmark, release)
        found, sha256, published = on_hub.name, "", None
        name = f"{on_hub.hub} {on_hub.split}".rstrip()
        rows = _from_hub(benchmark, on_hub)
    for place, problem in rows:
        if limit is not None and len(taken) >= limit:
            break
        if problem is None:
            unread.append(place)
        elif problem.id in taken:
            raise ValueError(f'{place}: "id" {problem.id!r} is already used in {taken[problem.id]}')
        else:
            taken[problem.id] = place
            problems.append(problem)
    return LoadedRelease(
        benchmark=benchmark.name,
        release=found,
        file=name,
        sha256=sha256,
        published=published,
        problems=tuple(problems),
        unread=tuple(unread),
    )


def _only_release(benchmark: Benchmark, release: str) -> str:
    """Return the release of a set of workspaces. Raises ValueError for another one."""
    if release not in ("", "original"):
        raise ValueError(f"{benchmark.name} has no release {release}; leave out --release")
    return "original"


def _from_file(file: BenchmarkFile) -> Rows:
    ids = map(str, count(1))

    def row(record: dict[str, Any]) -> Problem | None:
        return read_row(record, name=file.benchmark, file=file.path.name, default_id=next(ids))

    found = read_folder(file.path, row) if file.path.is_dir() else read_rows(file.path, row)
    for place, problem in found:
        yield str(place), problem


def _on_hub(benchmark: Benchmark, release: str) -> Release:
    """Return the release on the Hub. Raises ValueError if it is not there."""
    named = [one for one in releases_of(benchmark.name) if one.name == (release or "original")]
    for one in named:
        if one.hub:
            return one
    what = f"the release {release} of {benchmark.name}" if release else benchmark.name
    if not named:
        raise ValueError(f"{what} is not known to be published; choose another --release")
    file = f"{named[0].file} of {named[0].source}"
    raise ValueError(f"{what} is not on the Hub; download {file} and give its folder as --data-dir")


def _from_hub(benchmark: Benchmark, release: Release) -> Rows:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import datasets
    except ImportError:
        raise ValueError(
            f"{benchmark.name} from the Hub needs the package datasets: pip install 'storm-calm[hub]'; "
            "or give a folder with its file as --data-dir"
        ) from None
    try:
        rows = datasets.load_dataset(release.hub, split=release.split or None)
    except OSError as error:
        raise ValueError(f"{benchmark.name}: {error}; or give a folder with its file as --data-dir") from error
    if not release.split:
        if len(rows) != 1:
            raise ValueError(
                f"{release.hub}: has the splits {', '.join(rows)}; give a folder with its file as --data-dir"
            )
        (rows,) = rows.values()
    return read_hub_rows(rows, benchmark, f"{release.hub} {release.split}".rstrip())


def read_hub_rows(rows: Iterable[Mapping[str, Any]], benchmark: Benchmark, origin: str) -> Rows:
    """Yield the location and problem of each row of a `datasets.Dataset`. Raises ValueError for an invalid row."""
    for number, row in enumerate(rows, start=1):
        place = f"{origin}:{number}"
        try:
            yield place, read_row(row, name=benchmark.name, file=origin, default_id=str(number))
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error
