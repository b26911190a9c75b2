"""The known test sets with their file names and repositories."""

from dataclasses import dataclass

from storm_calm.env.problem import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """A public test set."""

    name: str
    """Name in commands and results."""
    repository: str
    """Repository on the Hugging Face Hub; "" if it is not published there."""
    split: str = "test"
    """Split in that repository."""


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
"""The test sets by name, in the order of arXiv 2510.04204."""


def benchmark_of(problem: Problem) -> str:
    """Return the name of the test set that a problem comes from; "" for any other problem."""
    name, colon, _ = problem.source.partition(": ")
    return name if colon and name in BENCHMARKS else ""
