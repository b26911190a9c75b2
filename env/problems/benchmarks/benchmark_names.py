"""Which test sets there are, how their files are called, and where they are published."""

from __future__ import annotations

from dataclasses import dataclass

from storm_calm.env.problem import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """A public test set."""

    name: str
    """As in commands and results."""
    repository: str
    """Where it is on the Hugging Face Hub; "" where its authors do not publish it there."""
    split: str = "test"
    """Its split there."""

    @property
    def beginning(self) -> str:
        """What the names of its files begin with, in lower case and without what is neither letter nor digit."""
        return self.name.replace("_", "")


BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(name="nl4opt", repository="CardinalOperations/NL4OPT"),
        Benchmark(name="mamo_easy", repository="CardinalOperations/MAMO", split="easy_lp"),
        Benchmark(name="mamo_complex", repository="CardinalOperations/MAMO", split="complex_lp"),
        Benchmark(name="industryor", repository="CardinalOperations/IndustryOR"),
        Benchmark(name="optmath", repository=""),
    )
}
"""Every test set by its name, in the order of arXiv 2510.04204."""


def benchmark_of(problem: Problem) -> str:
    """The name of the test set that a problem was loaded from; "" for any other problem."""
    name, colon, _ = problem.source.partition(": ")
    return name if colon and name in BENCHMARKS else ""
