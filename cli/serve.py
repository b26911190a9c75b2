"""`storm serve` and `storm key`: serve the agent over an OpenAI-compatible API, and make API keys."""

import logging
import os
from collections.abc import Sequence
from typing import Annotated

import typer

from storm_calm.agents.runs.database_url import DatabaseUrl, database_url_of
from storm_calm.cli.errors import fail, report_errors
from storm_calm.cli.options import Given, argument, option, options_of, read_config
from storm_calm.serving.api.config import ServeConfig

EXAMPLES = (
    "Examples:\n\nstorm serve\n\n"
    "storm serve --reasoner http://gpu-1:8000/v1 --reasoner http://gpu-2:8000/v1 --keys keys.txt"
)
KEY_EXAMPLES = "Examples:\n\nstorm key ana >> keys.txt\n\nstorm serve --keys keys.txt"


@options_of(ServeConfig)
def serve(
    given: Given,
    *,
    api_key: Annotated[
        list[str] | None, option("KEY", "Accepted API key. Repeatable. Other users of this machine can see it in `ps`.")
    ] = None,
    database: Annotated[
        str | None,
        option(
            "URL",
            "PostgreSQL database that several servers share, postgresql://USER@HOST/NAME: limits of keys, "
            "conversations, files. Default: STORM_DATABASE, which hides a password from `ps`; else none.",
        ),
    ] = None,
) -> None:
    """Serve a web page, and the agent over an OpenAI-compatible API: chat completions and responses."""
    with report_errors():
        _serve(read_config(ServeConfig, given), api_key or (), database_url_of(database))


def key(name: Annotated[str, argument("NAME", "Name of the key's owner; one word.")]) -> None:
    """Make an API key: print the key on standard error, and its line for the keys file on standard output."""
    from storm_calm.serving.api.auth import digest, new_key

    with report_errors():
        if not name or name.split() != [name] or "#" in name:
            raise ValueError(f"NAME: {name!r} is not one word without #; example: storm key ana")
        made = new_key()
        typer.echo(f"key of {name}, shown only once: {made}", err=True)
        typer.echo(f"{name} {digest(made)}")


def _serve(config: ServeConfig, api_keys: Sequence[str], database: DatabaseUrl | None) -> None:
    try:
        import uvloop

        from storm_calm.serving.api.api_server import serve as run
        from storm_calm.serving.api.auth import ENVIRONMENT, read_keys
    except ImportError as error:
        raise ValueError(f"serving needs {error.name}; pip install 'storm-calm[serve]'") from error
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    keys = read_keys(config.keys, os.environ.get(ENVIRONMENT), api_keys)

    def on_listening(address: str) -> None:
        typer.echo(f"storm: serving {' and '.join(config.reasoner)} as {config.name!r} at {address}", err=True)
        typer.echo(f"storm: open the page at {address.removesuffix('/v1')}", err=True)
        if database is not None:
            typer.echo(f"storm: shares conversations, files and limits in {database.shown}", err=True)
        if keys.open:
            typer.echo("storm: no API keys are set: any client that reaches this address is accepted", err=True)
        typer.echo(
            f"  curl {address}/chat/completions -H 'Content-Type: application/json' -d "
            f"""'{{"model": "{config.name}", "messages": [{{"role": "user", "content": "..."}}]}}'""",
            err=True,
        )

    try:
        uvloop.run(run(config, keys, database=database, on_listening=on_listening))
    except KeyboardInterrupt:
        fail("stopped", code=130)
