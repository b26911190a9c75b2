"""`storm train`: the training scripts, which parse their own options."""

from collections.abc import Sequence
from importlib import import_module

import typer

from storm_calm.cli.errors import fail, report_errors

EXAMPLES = (
    "Examples:\n\nstorm train sft --data runs/first/verl-sft.parquet --out runs/sft\n\n"
    "storm train grpo --model runs/sft/model --out runs/grpo --dry-run"
)
SCRIPTS = {"storm train sft": "storm_calm.rl.train_sft", "storm train grpo": "storm_calm.rl.train_verl"}
"""Modules by command; each has a `main` that parses its own options."""
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app = typer.Typer(
    name="train",
    help="Train a model with veRL: SFT on golden trajectories, or GRPO with solvers in the loop.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command("sft", context_settings=_PASS_ON)
def sft(context: typer.Context) -> None:
    """Train with supervised fine-tuning on golden trajectories."""
    run("storm train sft", context.args)


@app.command("grpo", context_settings=_PASS_ON)
def grpo(context: typer.Context) -> None:
    """Train with GRPO on problems, with solvers in the loop."""
    run("storm train grpo", context.args)


def run(name: str, words: Sequence[str]) -> None:
    """Run a training script. name: its name in the help. words: its command line."""
    with report_errors():
        try:
            import_module(SCRIPTS[name]).main(words, name=name)
        except SystemExit as end:
            if not isinstance(end.code, str):
                raise
            fail(end.code.partition(": ")[2], code=1)
