"""Find the files of test sets and their releases in a folder.

    DIR/IndustryOR.json                                     industryor, original
    DIR/optimind_cleaned_classified_industryor.csv          industryor, optimind
    DIR/llm4or/IndustryOR.jsonl                             industryor, llm4or
    DIR/ComplexOR/knapsack/description.txt                  complexor, original

The test set is in the name of the file, in any spelling. The release is known from the SHA-256 of the file if it is a
published one. Otherwise it is the release in the name of the file or of its folder, or the original.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from storm_calm.env.problems.benchmarks.problem_folders import has_problems, problem_files
from storm_calm.env.problems.benchmarks.registry import BENCHMARKS, RELEASE_NAMES
from storm_calm.env.problems.benchmarks.releases import published, releases_of
from storm_calm.env.row_files import CONVERTIBLE, SUFFIXES


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkFile:
    """A file, or a folder of problems, with a release of a test set."""

    benchmark: str
    release: str
    path: Path
    sha256: str
    published: bool
    """Whether this is the SHA-256 of a published file."""

    @property
    def name(self) -> str:
        """The name of the file or folder."""
        return f"{self.path.name}/" if self.path.is_dir() else self.path.name


def find_file(benchmark: str, folder: Path, release: str = "") -> BenchmarkFile:
    """Find the file of a release of a test set; by default the only file or, of several, the original.

    Raises ValueError if there is no such file or several, and OSError.
    """
    found = files_of(benchmark, folder)
    if not release:
        # In the folder itself, a name that begins with the set's is preferred.
        direct = _preferred([file for file in found if file.path.parent == folder])
        found = direct if len(direct) == 1 else found
        if len(found) > 1 and not any(file.release == "original" for file in found):
            raise ValueError(f"{folder}: several releases of {benchmark}: {_listed(found)}; choose one with --release")
    if release:
        found = [file for file in found if file.release == release]
        found = _preferred([file for file in found if file.published] or found)
    elif len(found) > 1:
        found = _preferred([file for file in found if file.release == "original"])
    if not found:
        raise ValueError(f"{folder}: {_missing(benchmark, folder, release)}")
    if len(found) > 1:
        names = ", ".join(str(file.path.relative_to(folder)) for file in found)
        raise ValueError(f"{folder}: several files for {benchmark}: {names}; keep one of them")
    return found[0]


def find_all(folder: Path) -> list[BenchmarkFile]:
    """Return the files of all test sets in a folder, in the order of the registry."""
    return [file for benchmark in BENCHMARKS for file in files_of(benchmark, folder)]


def files_of(benchmark: str, folder: Path) -> list[BenchmarkFile]:
    """Return the files of a test set in a folder, and in its subfolders that are named after a release."""
    places = [(path, "") for path in sorted(folder.iterdir())]
    for release in RELEASE_NAMES:
        places += [(path, release) for path in _in_release_folder(folder, release)]
    named = [(path, release) for path, release in places if _position(benchmark, path) is not None]
    readable = [(path, release) for path, release in named if path.suffix.lower() in SUFFIXES or has_problems(path)]
    # Other formats only if there is no readable file: the error then says how to convert them.
    chosen = readable or [(path, release) for path, release in named if path.suffix.lower() in CONVERTIBLE]
    found = [_identified(benchmark, path, release) for path, release in chosen if path.is_file() or has_problems(path)]
    copies = {file.sha256: file for file in reversed(found) if file.published}
    return [file for file in found if not file.published or copies[file.sha256] is file]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file or, for a folder of problems, of the list that `sha256sum` prints for its files.

    The list has the files that are read, sorted by their paths in the folder.
    """
    if not path.is_dir():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    lines = [f"{sha256_of(file)}  {file.relative_to(path).as_posix()}\n" for file in problem_files(path)]
    return hashlib.sha256("".join(sorted(lines, key=lambda line: line.split("  ", 1)[1])).encode()).hexdigest()


def _in_release_folder(folder: Path, release: str) -> Iterator[Path]:
    """Yield the content of DIR/release, of DIR/releases/release, and of their folders without problems of their own."""
    for parent in (folder, folder / "releases"):
        for path in sorted(parent.iterdir()) if parent.is_dir() else ():
            if path.is_dir() and path.name.lower() == release:
                yield from sorted(path.iterdir())
                for part in sorted(path.iterdir()):
                    if part.is_dir() and not has_problems(part):
                        yield from sorted(part.iterdir())


def _identified(benchmark: str, path: Path, release: str) -> BenchmarkFile:
    digest = sha256_of(path)
    known = published(digest)
    if known is not None and known.benchmark == benchmark:
        return BenchmarkFile(benchmark=benchmark, release=known.name, path=path, sha256=digest, published=True)
    name = _plain(path)
    release = release or next((one for one in RELEASE_NAMES if one in name), "")
    release = release or next((one.name for one in releases_of(benchmark) if one.mark and one.mark in name), "original")
    return BenchmarkFile(benchmark=benchmark, release=release, path=path, sha256=digest, published=False)


def _preferred(files: Sequence[BenchmarkFile]) -> list[BenchmarkFile]:
    """Return the files whose name begins with that of the test set, or else all."""
    return [file for file in files if _position(file.benchmark, file.path) == 0] or list(files)


def _position(benchmark: str, path: Path) -> int | None:
    """Return the position of the test set's name in the name of a file, or None."""
    name = _plain(path)
    at = _first(benchmark, name)
    # "mamo_complex_original" has the name of ComplexOR inside that of MAMO.
    inside = any(
        at is not None and (other := _first(one, name)) is not None and other < at < other + len(one.replace("_", ""))
        for one in BENCHMARKS
    )
    return None if inside else at


def _first(benchmark: str, name: str) -> int | None:
    names = (benchmark.replace("_", ""), *BENCHMARKS[benchmark].other_names)
    return min((name.index(one) for one in names if one in name), default=None)


def _plain(path: Path) -> str:
    return re.sub(r"[\W_]", "", path.stem.lower())


def _missing(benchmark: str, folder: Path, release: str) -> str:
    if release:
        others = _listed(files_of(benchmark, folder)) or "no other"
        names = {one.file: one.source for one in releases_of(benchmark) if one.name == release and one.file}
        where = ", ".join(f"{name} of {source}" for name, source in names.items())
        fix = f"download {where}" if names else "it is not known to be published"
        return f"no file for the release {release} of {benchmark} ({others}); {fix}"
    readable = [path.name for path in sorted(folder.iterdir()) if path.is_file() and path.suffix.lower() in SUFFIXES]
    seen = ", ".join(readable[:6]) or f"no file that ends in {', '.join(SUFFIXES)}"
    return f"no file for {benchmark}, such as {benchmark}.jsonl; it has {seen}"


def _listed(files: Sequence[BenchmarkFile]) -> str:
    return ", ".join(f"{file.path.name} is {file.release}" for file in files)
