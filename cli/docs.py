"""Generate docs/cli.md from the commands.

python -m storm_calm.cli.docs > docs/cli.md
"""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import typer

from storm_calm.cli.main import app
from storm_calm.cli.train import SCRIPTS, run

HEAD = """# The command line

All commands and options of `storm`, made by `python -m storm_calm.cli.docs > docs/cli.md`. Values come from defaults,
then from a TOML file (`--config`), then from the command line; `--resume` begins with the settings of the run folder.
"""
WIDTH = "100"
"""Columns of the help texts of the training scripts."""


def page() -> str:
    return "\n".join((HEAD, *_sections("storm", typer.main.get_command(app)))).rstrip() + "\n"


def _sections(name: str, command: Any) -> Iterator[str]:
    level = "##" + "#" * max(0, name.count(" ") - 1)
    yield f"{level} {name}\n"
    if name in SCRIPTS:
        yield f"```\n{_printed(name)}\n```\n"
        return
    yield f"{command.help.strip()}\n"
    if examples := (command.epilog or "").removeprefix("Examples:").strip():
        yield "```\n" + "\n".join(examples.split("\n\n")) + "\n```\n"
    groups: dict[str, list[str]] = {}
    for param in command.params:
        option = ", ".join(f"`{one}`" for one in (*param.opts, *param.secondary_opts))
        if param.param_type_name == "argument":
            option = f"`{param.metavar}`"
        elif param.metavar:
            option = f"{option} `{param.metavar}`".replace("|", "\\|")
        text = _cell(param.help or "")
        if isinstance(param.default, int | float | str | Path) and not isinstance(param.default, bool):
            text += "" if "Default:" in text else f" Default: {param.default}."
        heading = getattr(param, "rich_help_panel", None) or "Options"
        groups.setdefault(heading, []).append(f"| {option} | {text} |")
    for heading, rows in groups.items():
        yield "\n".join((f"| {heading} | |", "|---|---|", *rows, ""))
    for child, one in getattr(command, "commands", {}).items():
        yield from _sections(f"{name} {child}", one)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _printed(name: str) -> str:
    output = io.StringIO()
    width = mock.patch.dict(os.environ, COLUMNS=WIDTH)
    with width, contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        run(name, ["--help"])
    return output.getvalue().strip()


if __name__ == "__main__":
    typer.echo(page(), nl=False)
