"""The output of `storm sweep`: the plan of a dry run, and the claims at the end."""

from collections import Counter
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from storm_calm.agents.runs.progress import duration
from storm_calm.rl.reproduce.stage_jobs import expected_seconds
from storm_calm.rl.sweep.run_sweep import SweepPlan, SweepRequest


def plan_facts(plan: SweepPlan, request: SweepRequest, out: Path) -> dict[str, Any]:
    """Return the plan as JSON data."""
    expected = expected_seconds(plan.jobs)
    return {
        "out": str(out),
        "studies": list(request.studies),
        "seeds": list(request.seeds),
        "stages": [
            {
                "seed": job.seed,
                "name": job.name,
                "kind": job.kind,
                "done": job.done,
                "seconds": round(expected(job), 1),
                "command": plan.stages[job.seed, job.name].command,
            }
            for job in plan.jobs
        ],
        "shared": plan.unshared - len(plan.jobs),
        "seconds_left": round(plan.seconds_left, 1),
    }


def print_plan(facts: dict[str, Any]) -> None:
    for stage in facts["stages"]:
        state = "done" if stage["done"] else f"about {duration(stage['seconds'])}"
        typer.echo(f"seed {stage['seed']}  {stage['name']}: {state}\n    {stage['command']}")
    stages = facts["stages"]
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(stage["kind"] for stage in stages).items())
    done = sum(stage["done"] for stage in stages)
    typer.echo(
        f"\n{len(stages)} stages go to {facts['out']}: {kinds}. Points share {facts['shared']} stages, which run once. "
        f"{done} are done; the others take about {facts['seconds_left'] / 3600:.1f} hours."
    )


def print_claims(facts: dict[str, Any]) -> None:
    console = Console(highlight=False)
    table = Table.grid(padding=(0, 1))
    for claim in facts["claims"]:
        table.add_row(Text(claim["verdict"], "dim"), Text(claim["name"]))
        if claim["measured"]:
            table.add_row("", Text(claim["measured"], "dim"))
    console.print(table)
    if facts["missing"]:
        count = sum(map(len, facts["missing"].values()))
        console.print(f"\n{count} evaluations are missing.", style="yellow")
    if facts["small"]:
        console.print("\nThis sweep is too small to show anything.", style="yellow")
