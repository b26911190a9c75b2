"""`storm push`: upload a run to a data set on the Hugging Face Hub, after a confirmation."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storm_calm.cli.errors import fail, report_errors
from storm_calm.cli.options import argument, flag, option

if TYPE_CHECKING:
    from storm_calm.rl.push import PushPlan

EXAMPLES = "Examples:\n\nstorm push runs/first --repo ada/first-run\n\nstorm push runs/first --repo ada/first-run --yes"
LISTED = 20
"""Most files that are listed before the confirmation."""


def push(
    run: Annotated[Path, argument("RUN", "Run folder of a curation or an evaluation.")],
    repo: Annotated[str, option("OWNER/NAME", "The data set; created if it does not exist.")],
    private: Annotated[bool, flag("--private/--public", "Whether only its owners can see the data set.")] = True,
    yes: Annotated[bool, flag("--yes", "Upload without asking.")] = False,
) -> None:
    """Upload a run to a data set on the Hugging Face Hub: its records, figures and exports, and a card.

    Lists what it would upload and asks before it contacts the hub. The token is HF_TOKEN, or that of `hf auth login`.
    """
    with report_errors():
        from storm_calm.rl.push import plan_push
        from storm_calm.rl.push import push as upload
        from storm_calm.rl.push.push_run import PushError

        plan = plan_push(run, repo, private=private)
        _print(plan)
        if not yes:
            if not sys.stdin.isatty():
                raise ValueError("nothing was uploaded; confirm with --yes")
            if not typer.confirm("Upload?"):
                fail("nothing was uploaded", code=1)
        try:
            url = upload(plan, on_message=lambda words: typer.echo(f"storm: {words}", err=True))
        except PushError as error:
            fail(f"{error}. Start the same command again to continue", code=1)
    typer.echo(f"{url}: uploaded")


def _print(plan: "PushPlan") -> None:
    visible = "private" if plan.private else "PUBLIC: everybody can read it"
    typer.echo(f"data set {plan.repo} ({visible}), {len(plan.files) + 1} files, {plan.size / 1e6:,.1f} MB:")
    for file in plan.files[:LISTED]:
        typer.echo(f"  {file.name}  {file.size / 1e6:,.1f} MB")
    if len(plan.files) > LISTED:
        rest = plan.files[LISTED:]
        typer.echo(f"  and {len(rest)} more, {rest[0].name} to {rest[-1].name}")
    typer.echo("  README.md  the data set card: settings, counts, how to load it")
