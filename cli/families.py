"""`storm families`: which problem families there are, and what their problems look like."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cli.failures import told

EXAMPLES = "Examples:\n\nstorm families\n\nstorm families --show knapsack"


def families(
    show: Annotated[
        str | None,
        typer.Option("--show", metavar="NAME", help="Show a question of this family; with --json, the whole problem."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="Another problem for another seed.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print one JSON object and nothing else.")
    ] = False,
) -> None:
    """List the problem families that storm can draw from without end."""
    with told():
        from env.families import FAMILIES, generate

        if show is not None:
            problem = next(generate([show], split="train", seed=seed, limit=1))
            typer.echo(json.dumps(problem.to_dict(), indent=2) if as_json else problem.question)
        elif as_json:
            typer.echo(json.dumps({family.name: {"tier": family.tier} for family in FAMILIES.values()}, indent=2))
        else:
            for family in FAMILIES.values():
                typer.echo(f"{family.name:<16}{family.tier}")
