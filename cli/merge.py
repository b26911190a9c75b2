"""`storm merge`: one run folder from the shards of a curation or an evaluation."""

import json
from pathlib import Path
from typing import Annotated

import typer

from storm_calm.cli.errors import fail, report_errors, warn
from storm_calm.cli.options import AsJson, argument, option
from storm_calm.env.serialize import to_json

EXAMPLES = (
    "Examples:\n\nstorm merge runs/big/1 runs/big/2 runs/big/3 --out runs/merged\n\n"
    "storm merge runs/big --out runs/merged"
)


def merge(
    shards: Annotated[
        list[Path], argument("SHARD", "Run folders of storm curate or eval with --shard, or the folder of these.")
    ],
    out: Annotated[Path, option("DIR", "New run folder.")],
    as_json: AsJson = False,
) -> None:
    """Merge all shards of a curation or an evaluation into the run folder that one process would have written."""
    with report_errors():
        from storm_calm.agents.curation.records import CURATION_RECORDS, GOLDEN_EPISODES
        from storm_calm.agents.curation.summary import Summary
        from storm_calm.agents.evaluation.results import results_to_json
        from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES
        from storm_calm.agents.merge.merge_shards import merge_shards

        try:
            merged = merge_shards(shards, out)
        except KeyboardInterrupt:
            fail("stopped; nothing was written", code=130)
    if isinstance(merged, Summary):
        from storm_calm.cli.curate_display import print_summary

        golden, every = GOLDEN_EPISODES.stored_name(out), CURATION_RECORDS.stored_name(out)
        command, files = "storm curate", f"{golden} has the golden trajectories, {every} has all"
        failed = sum(merged.discarded.get(reason, 0) for reason in ("infrastructure", "checker"))
        data = to_json(merged)
        if not as_json:
            print_summary(merged)
    else:
        from storm_calm.cli.eval_display import print_results

        command, files = "storm eval", f"figures in results.json, trajectories in {EVALUATION_SAMPLES.stored_name(out)}"
        failed = merged.infrastructure + merged.checker_failures
        data = results_to_json(merged)
        if not as_json:
            print_results(merged)
    typer.echo(json.dumps(data, indent=2) if as_json else f"\n{out}: {files}")
    if failed:
        warn(
            f"{failed} trajectories are not scored because the sandbox or the checker of the problem failed. "
            f"Retry them with: {command} --out {out} --resume"
        )
