"""Public test sets of optimization modeling and their releases, read from files or the Hugging Face Hub.

    loaded = load_benchmarks(["nl4opt", "optmath"], Path("data"))
    loaded.problems, loaded.unread

    loaded = load_benchmarks(["industryor"], Path("data"), releases=["original", "optimind"])
    match_labels(loaded.problems, loaded.releases[1].problems)

The folder has a file for each set, named as published, such as `NL4OPT.jsonl`, `MAMO_EasyLP_fixed.jsonl` or
`optmath_bench.jsonl`, or a folder of problems. Releases of one set disagree on up to a quarter of the labels, so every
problem's `source` names the file of its label. `RELEASES` has the published files.
"""

from storm_calm.env.problems.benchmarks.benchmark_files import BenchmarkFile, find_all
from storm_calm.env.problems.benchmarks.load_benchmark import Loaded, LoadedRelease, load_benchmarks
from storm_calm.env.problems.benchmarks.match_questions import match_labels, same_label
from storm_calm.env.problems.benchmarks.registry import BENCHMARKS, RELEASE_NAMES, Benchmark, benchmark_of
from storm_calm.env.problems.benchmarks.releases import RELEASES, Release, releases_of

__all__ = [
    "BENCHMARKS",
    "RELEASES",
    "RELEASE_NAMES",
    "Benchmark",
    "BenchmarkFile",
    "Loaded",
    "LoadedRelease",
    "Release",
    "benchmark_of",
    "find_all",
    "load_benchmarks",
    "match_labels",
    "releases_of",
    "same_label",
]
