"""Compare curations: accuracy, golden yield, hints, programs and tokens, for each problem family.

    python -m benchmarks.curation_yield runs/rules runs/llm

Each RUN is a run folder of `storm curate`. The output is a Markdown table with a row for each family of a run, and one
for all of it. Intervals are 95 % (Wilson), over problems. Programs, failed programs and tokens are means of the
trajectories under CALM. Problems of a file have the family of their "family" field, or else "other".
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from storm_calm.agents.curation.records import Record, read_records
from storm_calm.agents.evaluation.intervals import mean_share
from storm_calm.agents.graphs.hint_share import hint_share

COLUMNS = (
    "run", "problems", "right natively", "right under CALM", "made right, wrong", "golden", "hints",
    "hint share of golden", "programs", "failed", "tokens", "intervener: requests, tokens",
)  # fmt: skip


def table_row(name: str, records: Sequence[Record]) -> tuple[str, ...]:
    """Return the cells of one group of records. Raises ValueError if it is empty."""
    golden = [record.episode for record in records if record.outcome == "golden"]
    episodes = [record.episode for record in records]
    executions = [execution for episode in episodes for execution in episode.executions if execution.ran]
    shares = [hint_share(episode) for episode in golden]
    lost = sum(record.native_correct and not record.final_correct for record in records)
    costs = [record.cost for record in records]
    return (
        name,
        str(len(records)),
        counted([record.native_correct for record in records]),
        counted([record.final_correct for record in records]),
        f"{sum(record.corrected for record in records)}, {lost}",
        counted([record.outcome == "golden" for record in records]),
        str(sum(len(episode.interventions) for episode in episodes)),
        f"{sum(shares) / len(shares):.3f}" if shares else "",
        f"{len(executions) / len(records):.2f}",
        f"{sum(execution.status != 'ok' for execution in executions) / len(records):.2f}",
        f"{sum(episode.usage.model_tokens for episode in episodes) / len(records):.0f}",
        f"{sum(cost.calls for cost in costs)}, {sum(cost.input_tokens + cost.output_tokens for cost in costs)}",
    )


def counted(values: Sequence[bool]) -> str:
    """Return a count with the interval of its share, such as "9 (0.33-0.77)"."""
    interval = mean_share([float(value) for value in values])
    return f"{sum(values)} ({interval.low:.2f}-{interval.high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder of storm curate")
    table = Table(*COLUMNS, box=MARKDOWN)
    for run in parser.parse_args().runs:
        records = [record for record in read_records(run / "episodes.jsonl") if not record.failed]
        if not records:
            parser.error(f"{run} has no finished problem")
        families = sorted({record.episode.problem.family or "other" for record in records})
        for family in families if len(families) > 1 else ():
            own = [record for record in records if (record.episode.problem.family or "other") == family]
            table.add_row(*table_row(f"{run.name}: {family}", own))
        table.add_row(*table_row(run.name, records))
    Console(width=400).print(table)


if __name__ == "__main__":
    main()
