"""The public test sets of optimization modeling, read from files or from the Hub; none of their text is in here.

    loaded = load_benchmarks(["nl4opt", "optmath"], Path("data"))
    loaded.problems, loaded.unread

A folder holds a file of JSON lines for each set, named as its publishers do, such as `NL4OPT.jsonl`,
`MAMO_EasyLP_fixed.jsonl` or `optmath_bench.jsonl`. Labels of different releases of one set disagree on 5 to 15 % of its
rows, so every problem's `source` says which file its label comes from.
"""

from __future__ import annotations

from storm_calm.env.problems.benchmarks.benchmark_names import BENCHMARKS, Benchmark, benchmark_of
from storm_calm.env.problems.benchmarks.load_benchmark import Loaded, load_benchmarks

__all__ = ["BENCHMARKS", "Benchmark", "Loaded", "benchmark_of", "load_benchmarks"]
