"""`storm families`: list the problem families, show a problem, or write problems to a file."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from storm_calm.cli.errors import fail, report_errors
from storm_calm.cli.options import AsJson, argument, option
from storm_calm.env.serialize import to_json

EXAMPLES = (
    "Examples:\n\nstorm families --show knapsack\n\n"
    "storm families complex --split heldout --limit 200 --seed 7 --out heldout.jsonl"
)


def families(
    names: Annotated[
        list[str] | None,
        argument("NAME", 'With --out: family names, "easy", "complex" or "all", also with commas. Default: all.'),
    ] = None,
    show: Annotated[
        str | None, option("NAME", "Print a question of this family or stress kind; with --json the problem.")
    ] = None,
    out: Annotated[Path | None, option("FILE", "Write problems with answers to a new file, as JSON Lines.")] = None,
    limit: Annotated[int | None, option("N", "With --out: number of problems. Default: 100.")] = None,
    split: Annotated[
        Literal["train", "heldout"], option("train|heldout", "Split to draw from; heldout is for evaluation only.")
    ] = "train",
    seed: Annotated[int, option("S", "Random seed of the problems.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List the problem families, print a generated problem, or write generated problems to a file."""
    with report_errors():
        if out is not None:
            if show is not None:
                raise ValueError("--show prints one question, --out writes many; give only one of them")
            try:
                _write(out, ",".join(names or ["all"]).split(","), limit=limit, split=split, seed=seed, as_json=as_json)
            except KeyboardInterrupt:
                fail("stopped; nothing was written", code=130)
        elif names or limit is not None:
            raise ValueError("family names and --limit need --out FILE; to print one problem use --show NAME")
        else:
            _print(show, split=split, seed=seed, as_json=as_json)


def _print(show: str | None, *, split: Literal["train", "heldout"], seed: int, as_json: bool) -> None:
    from storm_calm.env.problems.families import FAMILIES, generate
    from storm_calm.env.problems.stress import kinds

    if show is not None:
        if show in kinds.KINDS:
            problem = next(kinds.generate([show], seed=seed, limit=1))
        else:
            problem = next(generate([show], split=split, seed=seed, limit=1))
        typer.echo(json.dumps(to_json(problem), indent=2) if as_json else problem.question)
    elif as_json:
        listed = {family.name: {"difficulty": family.difficulty} for family in FAMILIES.values()}
        typer.echo(json.dumps(listed, indent=2))
    else:
        for family in FAMILIES.values():
            typer.echo(f"{family.name:<16}{family.difficulty}")


def _write(
    out: Path, names: list[str], *, limit: int | None, split: Literal["train", "heldout"], seed: int, as_json: bool
) -> None:
    from collections import Counter

    from storm_calm.agents.runs.problem_options import FAMILY_LIMIT
    from storm_calm.env import write_problems
    from storm_calm.env.problems.families import generate

    if limit is not None and limit < 1:
        raise ValueError(f"--limit: {limit} is not a whole number of at least 1")
    if out.exists():
        raise ValueError(f"{out}: already exists; choose another --out")
    problems = list(generate(names, split=split, seed=seed, limit=limit or FAMILY_LIMIT))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_problems(out, problems)
    counts = Counter(problem.family for problem in problems)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "problems": len(problems), "by_family": dict(counts)}, indent=2))
    else:
        typer.echo(f"{out}: {len(problems)} problems, {', '.join(f'{name} {n}' for name, n in counts.items())}")
