"""The known test sets, and the names of their releases. `releases` has the published files.

A release is a publication of a set's questions with its own labels. Corrected releases also leave out or reword
questions.
"""

from dataclasses import dataclass

from storm_calm.env.problem import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """A public test set."""

    name: str
    """Name in commands and results."""
    paper: str
    """The paper that introduces it."""
    other_names: tuple[str, ...] = ()
    """Other names in names of files."""
    with_data: bool = False
    """Whether rows can have data apart from the text."""


BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(name="nl4opt", paper="PMLR 220 (NeurIPS 2022 competition)"),
        Benchmark(name="mamo_easy", paper="arXiv 2405.13144"),
        Benchmark(name="mamo_complex", paper="arXiv 2405.13144"),
        Benchmark(name="industryor", paper="arXiv 2405.17743"),
        Benchmark(name="optmath", paper="arXiv 2502.11102"),
        Benchmark(name="nlp4lp", paper="arXiv 2402.10172", other_names=("nl4lp",), with_data=True),
        Benchmark(name="complexor", paper="OpenReview HobyL1B9CZ (ICLR 2024)", with_data=True),
        Benchmark(name="optibench", paper="arXiv 2407.09887", other_names=("resocratic",)),
        Benchmark(name="bwor", paper="arXiv 2503.10009"),
        Benchmark(name="logior", paper="arXiv 2508.14410"),
        Benchmark(name="miplib_nl", paper="arXiv 2602.10450"),
        Benchmark(name="or_space_build", paper="arXiv 2605.28158"),
        Benchmark(name="or_space_revise", paper="arXiv 2605.28158"),
        Benchmark(name="or_space_explain", paper="arXiv 2605.28158"),
        Benchmark(name="dcp_bench", paper="arXiv 2506.06052"),
    )
}
"""The test sets by name. The first five are those of arXiv 2510.04204, in its order; the last are `workspaces`."""

RELEASE_NAMES = {
    "original": "by the authors of the set, or a file whose name states no release",
    "optimind": "corrected by OptiMind, arXiv 2509.22979",
    "sirl": "corrected by SIRL, arXiv 2505.11792",
    "llm4or": "without the errors that the LLM4OR survey found, arXiv 2508.10047",
    "llmopt": "corrected by LLMOPT, arXiv 2410.13213",
    "orthought": "corrected by ORThought, arXiv 2508.14410",
}
"""What each release is, by name."""


def benchmark_of(problem: Problem) -> str:
    """Return the name of the test set that a problem comes from; "" for any other problem."""
    name, colon, _ = problem.source.partition(": ")
    return name if colon and name in BENCHMARKS else ""
