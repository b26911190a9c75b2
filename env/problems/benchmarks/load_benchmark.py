"""Load test sets from a folder or from the Hub."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from storm_calm.env.problem import Problem
from storm_calm.env.problems.benchmarks.benchmark_names import BENCHMARKS, Benchmark
from storm_calm.env.problems.benchmarks.benchmark_rows import read_row
from storm_calm.env.row_files import CONVERTIBLE, SUFFIXES, read_rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """The problems of some test sets."""

    problems: tuple[Problem, ...]
    """The problems, one set after another."""
    unread: tuple[str, ...]
    """Rows without a readable label: file and line or item, or repository and row, of each."""


def load_benchmarks(names: Sequence[str], folder: Path | None = None, *, limit: int | None = None) -> Loaded:
    """Load the problems of these test sets.

    names: keys of `BENCHMARKS`. folder: has a file for each; None for the Hub, which needs the package `datasets`.
    limit: first problems to take of each set; None for all.
    Raises ValueError for an unknown name, a set with no file or several in `folder`, an invalid row, a set that is not
    on the Hub, or if `datasets` is missing.
    """
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown or not names:
        fault = f'unknown benchmark "{unknown[0]}"' if unknown else "no benchmark given"
        raise ValueError(f"{fault}; known: {', '.join(BENCHMARKS)}")
    problems: list[Problem] = []
    unread: list[str] = []
    for name in dict.fromkeys(names):
        benchmark = BENCHMARKS[name]
        rows = _from_file(benchmark, folder) if folder else _from_hub(benchmark)
        taken: dict[str, str] = {}
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
    if not problems:
        first = f": {len(unread)} unreadable labels, the first at {unread[0]}" if unread else ""
        raise ValueError(f"no problems in {', '.join(names)}{first}; give a file with readable labels")
    return Loaded(problems=tuple(problems), unread=tuple(unread))


def find_file(benchmark: Benchmark, folder: Path) -> Path:
    """Find the file of a test set in a folder, in any spelling of its name. Raises ValueError or OSError."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    readable = [path for path in files if path.suffix.lower() in SUFFIXES]
    # Other formats only if there is no readable file: the error then says how to convert them.
    found = _named(benchmark, readable) or _named(benchmark, [f for f in files if f.suffix.lower() in CONVERTIBLE])
    if not found:
        seen = ", ".join(path.name for path in readable[:6]) or f"no file that ends in {', '.join(SUFFIXES)}"
        raise ValueError(f"{folder}: no file for {benchmark.name}, such as {benchmark.name}.jsonl; it has {seen}")
    if len(found) > 1:
        listed = ", ".join(path.name for path in found)
        raise ValueError(f"{folder}: several files for {benchmark.name}: {listed}; keep one of them")
    return found[0]


def _named(benchmark: Benchmark, files: Sequence[Path]) -> list[Path]:
    """Return the files whose name begins with that of the test set, or else those that contain it."""
    name = benchmark.name.replace("_", "")
    stems = [(re.sub(r"[\W_]", "", path.stem.lower()), path) for path in files]
    return [path for stem, path in stems if stem.startswith(name)] or [path for stem, path in stems if name in stem]


def _from_file(benchmark: Benchmark, folder: Path) -> Iterable[tuple[str, Problem | None]]:
    path = find_file(benchmark, folder)
    ids = map(str, count(1))

    def row(record: dict[str, Any]) -> Problem | None:
        return read_row(record, name=benchmark.name, file=path.name, default_id=next(ids))

    for place, problem in read_rows(path, row):
        yield str(place), problem


def _from_hub(benchmark: Benchmark) -> Iterable[tuple[str, Problem | None]]:
    if not benchmark.repository:
        raise ValueError(f"{benchmark.name} is not on the Hub; download its file and give its folder as --data-dir")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import datasets
    except ImportError:
        raise ValueError(
            f"{benchmark.name} from the Hub needs the package datasets: pip install 'storm-calm[hub]'; "
            "or give a folder with its file as --data-dir"
        ) from None
    try:
        rows = datasets.load_dataset(benchmark.repository, split=benchmark.split)
    except OSError as error:
        raise ValueError(f"{benchmark.name}: {error}; or give a folder with its file as --data-dir") from error
    return read_hub_rows(rows, benchmark, f"{benchmark.repository} {benchmark.split}")


def read_hub_rows(
    rows: Iterable[Mapping[str, Any]], benchmark: Benchmark, origin: str
) -> Iterable[tuple[str, Problem | None]]:
    """Yield the location and problem of each row of a `datasets.Dataset`. Raises ValueError for an invalid row."""
    for number, row in enumerate(rows, start=1):
        place = f"{origin}:{number}"
        try:
            yield place, read_row(row, name=benchmark.name, file=origin, default_id=str(number))
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error
