"""The options and the table of an estimate, for the commands that run on many problems."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated

from rich.console import Console
from rich.table import Table

from storm_calm.agents.runs.estimate import Estimate, Figure, JobCost, estimate
from storm_calm.agents.runs.options import OptionError
from storm_calm.agents.runs.progress import duration
from storm_calm.cli.display import price_words
from storm_calm.cli.options import option

EstimateFrom = Annotated[
    int | None,
    option(
        "N",
        "Run only N problems, drawn at random, and estimate the tokens, the time and the cost of the whole run. Their "
        "records are kept: --resume runs the rest.",
    ),
]
Gpus = Annotated[int | None, option("N", "With --estimate: GPUs of the model's server, for the GPU hours.")]
GpuPrice = Annotated[float | None, option("PRICE", "With --estimate: price of one GPU for an hour.")]


@dataclass(kw_only=True)
class WantedEstimate:
    """The options of an estimate, and the sample that a run reports."""

    sample: int
    gpus: int
    gpu_price: float
    keys: frozenset[Hashable] = frozenset()
    total: int = 0

    def on_sample(self, keys: frozenset[Hashable], total: int) -> None:
        self.keys, self.total = keys, total

    def estimate(self, costs: Sequence[JobCost], *, workers: int, priced: bool) -> Estimate:
        """Return the estimate. Raises ValueError for fewer than two finished jobs."""
        return estimate(
            costs, total=self.total, workers=workers, gpus=self.gpus, gpu_price=self.gpu_price, priced=priced
        )


def wanted_estimate(sample: int | None, gpus: int | None, gpu_price: float | None) -> WantedEstimate | None:
    """Return the estimate that the options ask for; None for a whole run. Raises OptionError for invalid ones."""
    if sample is None and (gpus is not None or gpu_price is not None):
        raise OptionError("gpus" if gpus is not None else "gpu_price", "goes with --estimate, such as --estimate 20")
    if sample is None:
        return None
    if sample < 2:
        raise OptionError("estimate", f"{sample} is not a whole number of at least 2; 20 are usual")
    if gpus is not None and gpus < 1:
        raise OptionError("gpus", f"{gpus} is not a whole number of at least 1")
    if gpu_price is not None and not 0 < gpu_price < float("inf"):
        raise OptionError("gpu_price", f"{gpu_price} is not a price above 0")
    return WantedEstimate(sample=sample, gpus=gpus or int(gpu_price is not None), gpu_price=gpu_price or 0.0)


def print_estimate(found: Estimate, *, noun: str) -> None:
    """Print an estimate. It fits into 60 columns. noun: what the jobs are, such as "problems"."""
    console = Console(highlight=False)
    console.print(f"Estimate for {found.jobs:,} {noun} from {found.sample}, with {found.workers} workers:\n")
    table = Table("", box=None, pad_edge=False, header_style="dim")
    table.add_column("whole run", justify="right")
    table.add_column("95 % interval", justify="right")
    _add(table, "tokens in", found.input_tokens, _count)
    _add(table, "tokens out", found.output_tokens, _count)
    if found.intervener_input_tokens.value:
        _add(table, "intervener in", found.intervener_input_tokens, _count)
        _add(table, "intervener out", found.intervener_output_tokens, _count)
    _add(table, "sandbox", found.sandbox_seconds, duration)
    if found.gpu_hours is not None:
        _add(table, "GPU hours", found.gpu_hours, lambda hours: f"{hours:,.3g}")
    if found.price is not None:
        _add(table, "price", found.price, price_words)
    _add(table, "wall time", found.wall_seconds, duration)
    console.print(table)
    if found.price is None:
        console.print("\nFor the price give --price IN,OUT, or --gpus N --gpu-price PRICE.")
    if found.sample < found.workers:
        console.print(
            f"\nWith more workers than problems in the sample the server was less busy than in the whole run: "
            f"use --estimate {2 * found.workers} for its wall time."
        )


def _add(table: Table, name: str, figure: Figure, words: Callable[[float], str]) -> None:
    table.add_row(name, words(figure.value), f"{words(figure.low)} to {words(figure.high)}")


def _count(number: float) -> str:
    """Format a number of tokens with three digits."""
    for size, suffix in ((1e9, " billion"), (1e6, " million")):
        if number >= size:
            return f"{number / size:.3g}{suffix}"
    return f"{round(number):,}"
