"""What the problems of a curation used, for an estimate of the whole run."""

from collections.abc import Collection, Hashable
from pathlib import Path

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.records import Record, run_records
from storm_calm.agents.runs.estimate import JobCost


def read_job_costs(config: CurateConfig, out: Path, keys: Collection[Hashable]) -> list[JobCost]:
    """Return the costs of the finished problems with these ids. Raises ValueError for an invalid record."""
    return [_cost(config, record) for record in run_records(out) if record.id in keys]


def _cost(config: CurateConfig, record: Record) -> JobCost:
    usage, intervener = record.reasoner_usage, record.cost
    return JobCost(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        intervener_input_tokens=intervener.input_tokens,
        intervener_output_tokens=intervener.output_tokens,
        sandbox_seconds=sum(episode.usage.execution_seconds for episode in (record.native, record.episode)),
        seconds=usage.seconds,
        price=config.price_of(usage) + intervener.price,
    )
