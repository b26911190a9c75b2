"""`storm doctor`: what is wrong with the installation, with a training by its run folders, or with a model server."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storm_calm.cli.doctor_display import print_diagnoses, print_installation, print_report
from storm_calm.cli.errors import report_errors
from storm_calm.cli.options import AsJson, argument, option
from storm_calm.env.serialize import to_json

if TYPE_CHECKING:
    from storm_calm.agents.endpoint_check import EndpointReport
    from storm_calm.rl.doctor import Diagnosis

EXAMPLES = "Examples:\n\nstorm doctor\n\nstorm doctor runs/first\n\nstorm doctor --reasoner http://localhost:8000/v1"


def doctor(
    run: Annotated[
        Path | None, argument("[RUN]", "Folder of a curation, an evaluation or GRPO, or a folder of several.")
    ] = None,
    baseline: Annotated[Path | None, option("RUN", "Evaluation before training, to compare with.")] = None,
    reasoner: Annotated[
        str | None, option("URL|chat:URL", "Check this model server instead: a minute of short requests.")
    ] = None,
    model: Annotated[str | None, option("NAME", "Name of the server's model, if it has several.")] = None,
    tokenizer: Annotated[
        str | None,
        option("FOLDER|FILE|NAME", "Tokenizer of the model: its folder, its file, or its name on the hub."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the installation, run folders for signs of a failed training, or a model server before a run.

    Without RUN and --reasoner it checks the installation: what is missing for what. Exit code 1: a check found a
    problem. 0: none did.
    """
    with report_errors():
        if run is not None and reasoner is not None:
            raise ValueError("give RUN, a run folder, or --reasoner URL, a model server; not both")
        if run is None and reasoner is None:
            if (baseline, model, tokenizer) != (None, None, None):
                raise ValueError("--baseline needs RUN; --model and --tokenizer need --reasoner URL")
            problems = _check_installation(as_json=as_json)
        elif run is not None:
            if model is not None or tokenizer is not None:
                raise ValueError("--model and --tokenizer are for --reasoner URL; leave them out for run folders")
            problems = _check_runs(run, baseline, as_json=as_json)
        else:
            assert reasoner is not None
            if baseline is not None:
                raise ValueError("--baseline is for run folders; leave it out for --reasoner URL")
            problems = _check_endpoint(reasoner, model, tokenizer, as_json=as_json)
    if problems:
        raise typer.Exit(1)


def _check_installation(*, as_json: bool) -> int:
    from storm_calm.cli.doctor_display import checking
    from storm_calm.cli.installation import check_installation

    with checking("the installation") as on_check:
        checks = check_installation(on_check)
    problems = Counter(check.state for check in checks)["problem"]
    if as_json:
        typer.echo(json.dumps({"problems": problems, "checks": [to_json(check) for check in checks]}, indent=2))
    else:
        print_installation(checks)
    return problems


def _check_runs(run: Path, baseline: Path | None, *, as_json: bool) -> int:
    from storm_calm.rl.doctor import examine

    verdicts: Sequence[Diagnosis] = examine(run, baseline)
    problems = Counter(verdict.state for verdict in verdicts)["problem"]
    if as_json:
        facts = {"run": str(run), "problems": problems, "verdicts": [to_json(one) for one in verdicts]}
        typer.echo(json.dumps(facts, indent=2))
    else:
        print_diagnoses(verdicts)
    return problems


def _check_endpoint(spec: str, model: str | None, tokenizer: str | None, *, as_json: bool) -> int:
    from storm_calm.agents.endpoint_check import check_endpoint
    from storm_calm.cli.doctor_display import checking

    with checking(spec) as on_check:
        report: EndpointReport = check_endpoint(spec, model=model, tokenizer=tokenizer, on_check=on_check)
    if as_json:
        typer.echo(json.dumps(to_json(report), indent=2))
    else:
        print_report(report)
    return sum(check.state == "problem" for check in report.checks)
