"""Public test sets of optimization modeling, read from files or the Hugging Face Hub.

    loaded = load_benchmarks(["nl4opt", "optmath"], Path("data"))
    loaded.problems, loaded.unread

The folder has a JSON Lines file for each set, named as published, such as `NL4OPT.jsonl`, `MAMO_EasyLP_fixed.jsonl`
or `optmath_bench.jsonl`. Releases of one set disagree on 5 to 15 % of the labels, so every problem's `source` names the
file of its label.
"""

from storm_calm.env.problems.benchmarks.benchmark_names import BENCHMARKS, Benchmark, benchmark_of
from storm_calm.env.problems.benchmarks.load_benchmark import Loaded, load_benchmarks

__all__ = ["BENCHMARKS", "Benchmark", "Loaded", "benchmark_of", "load_benchmarks"]
