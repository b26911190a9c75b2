"""`storm families`: list the problem families, show a problem, or write problems to a file or with their data files."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import typer

from storm_calm.agents.runs.problem_options import FAMILY_LIMIT
from storm_calm.cli.errors import fail, report_errors
from storm_calm.cli.options import AsJson, argument, option
from storm_calm.env import Problem, write_problems
from storm_calm.env.jsonl import write_lines
from storm_calm.env.problem_line import problem_to_json

Split = Literal["train", "heldout"]

EXAMPLES = (
    "Examples:\n\nstorm families --show knapsack\n\n"
    "storm families complex --split heldout --limit 200 --seed 7 --out heldout.jsonl\n\n"
    "storm families facility,production --size 500 --limit 4 --write depots"
)


def families(
    names: Annotated[
        list[str] | None,
        argument(
            "NAME", 'With --out or --write: family names, "easy", "complex" or "all", also with commas. Default: all.'
        ),
    ] = None,
    show: Annotated[
        str | None, option("NAME", "Print a question of this family or stress kind; with --json the problem.")
    ] = None,
    out: Annotated[Path | None, option("FILE", "Write problems with answers to a new file, as JSON Lines.")] = None,
    size: Annotated[
        int | None,
        option("N", "Approximate number of variables. The data are then in CSV files, and a plan is asked for."),
    ] = None,
    write: Annotated[
        Path | None,
        option("DIR", "With --size: write problems.jsonl, their data files, and programs that solve them."),
    ] = None,
    task: Annotated[
        Literal["plan", "revise", "explain"],
        option("plan|revise|explain", "With --size: plan, revise a plan after a change, or explain a solved problem."),
    ] = "plan",
    variant: Annotated[
        str | None, option("NAME,...", "With --size: variants of the task, such as wording,objective,constraint.")
    ] = None,
    limit: Annotated[int | None, option("N", "With --out or --write: number of problems. Default: 100.")] = None,
    split: Annotated[Split, option("train|heldout", "Split to draw from; heldout is for evaluation only.")] = "train",
    seed: Annotated[int, option("S", "Random seed of the problems.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List the problem families, print a generated problem, or write generated problems to files."""
    with report_errors():
        if sum(place is not None for place in (show, out, write)) > 1:
            raise ValueError(
                "--show prints one question, --out writes many, and --write their data files too; give only one of them"
            )
        if size is not None and show is None and write is None:
            raise ValueError("--size needs --write DIR; to print one problem use --show NAME")
        if write is not None and size is None:
            raise ValueError("--write writes problems with data files; give their --size, such as --size 500")
        if limit is not None and limit < 1:
            raise ValueError(f"--limit: {limit} is not a whole number of at least 1")
        if size is None and (task != "plan" or variant):
            raise ValueError("--task and --variant choose problems with data files; give their --size, such as 500")
        variants = variant.split(",") if variant else ()
        chosen = ",".join(names or ["all"]).split(",")
        try:
            from storm_calm.env.problems.families import generate

            if write is not None and size is not None:
                drawn = generate(
                    chosen, split=split, seed=seed, limit=limit or FAMILY_LIMIT, size=size, folder=write, task=task,
                    variants=variants,
                )  # fmt: skip
                _write_folders(write, drawn, as_json=as_json)
            elif out is not None:
                _write(out, chosen, limit=limit, split=split, seed=seed, as_json=as_json)
            elif names or limit is not None:
                raise ValueError(
                    "family names and --limit need --out FILE or --write DIR; to print one problem use --show NAME"
                )
            else:
                _print(show, split=split, seed=seed, size=size, task=task, variants=variants, as_json=as_json)
        except KeyboardInterrupt:
            resume = "run the same command again to continue" if write else "nothing was written"
            fail(f"stopped; {resume}", code=130)


def _print(
    show: str | None,
    *,
    split: Split,
    seed: int,
    size: int | None,
    task: str,
    variants: Sequence[str],
    as_json: bool,
) -> None:
    from storm_calm.env.problems.families import FAMILIES, generate
    from storm_calm.env.problems.stress import kinds
    from storm_calm.env.workspace import full_question

    if show is not None:
        with TemporaryDirectory() as folder:
            if show in kinds.KINDS and size is None:
                problem = next(kinds.generate([show], seed=seed, limit=1))
            else:
                drawn = generate(
                    [show], split=split, seed=seed, limit=1, size=size, folder=Path(folder), task=task,
                    variants=variants,
                )  # fmt: skip
                problem = next(drawn)
            data = problem_to_json(problem)
            data.pop("folder", None)  # It is gone when the command ends.
            typer.echo(json.dumps(data, indent=2) if as_json else full_question(problem))
    elif as_json:
        listed = {family.name: {"difficulty": family.difficulty} for family in FAMILIES.values()}
        typer.echo(json.dumps(listed, indent=2))
    else:
        for family in FAMILIES.values():
            typer.echo(f"{family.name:<16}{family.difficulty}")


def _write(out: Path, names: list[str], *, limit: int | None, split: Split, seed: int, as_json: bool) -> None:
    from storm_calm.env.problems.families import generate

    if out.exists():
        raise ValueError(f"{out}: already exists; choose another --out")
    problems = list(generate(names, split=split, seed=seed, limit=limit or FAMILY_LIMIT))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_problems(out, problems)
    _summarize(out, problems, as_json=as_json)


def _write_folders(folder: Path, drawn: Iterable[Problem], *, as_json: bool) -> None:
    """Write problems.jsonl last: without it, the same command resumes with the problems that have their answers."""
    from storm_calm.env.problems.families.tasks.reference_program import reference_program
    from storm_calm.env.workspace import full_question

    file = folder / "problems.jsonl"
    if file.exists():
        raise ValueError(f"{file}: already exists; choose another --write")
    problems = []
    for problem in drawn:
        typer.echo(problem.id, err=True)
        problems.append(problem)
    write_lines(
        folder / "references.jsonl",
        (
            {"id": problem.id, "question": full_question(problem), "program": reference_program(problem)}
            for problem in problems
        ),
    )
    write_problems(file, problems)
    _summarize(file, problems, as_json=as_json)


def _summarize(out: Path, problems: Iterable[Problem], *, as_json: bool) -> None:
    counts = Counter(problem.family for problem in problems)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "problems": counts.total(), "by_family": dict(counts)}, indent=2))
    else:
        typer.echo(f"{out}: {counts.total()} problems, {', '.join(f'{name} {n}' for name, n in counts.items())}")
