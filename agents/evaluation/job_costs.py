"""What the trajectories of an evaluation used, for an estimate of the whole run."""

from collections.abc import Collection, Hashable
from pathlib import Path

from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.samples import Sample, run_samples
from storm_calm.agents.runs.estimate import JobCost


def read_job_costs(config: EvalConfig, out: Path, keys: Collection[Hashable]) -> list[JobCost]:
    """Return the costs of the finished trajectories with these keys. Raises ValueError for an invalid record."""
    return [_cost(config, sample) for sample in run_samples(out) if sample.key in keys]


def _cost(config: EvalConfig, sample: Sample) -> JobCost:
    usage = sample.reasoner_usage
    return JobCost(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        sandbox_seconds=sample.episode.usage.execution_seconds,
        seconds=usage.seconds,
        price=config.price_of(usage),
    )
