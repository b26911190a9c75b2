"""`storm serve` and `storm key`: the agent behind an OpenAI-compatible API, and the keys for it."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from storm_calm.cli.errors import fail, told
from storm_calm.serving.api.config import ServeConfig

EXAMPLES = (
    "Examples:\n\nstorm serve\n\n"
    "storm serve --reasoner http://gpu-1:8000/v1 --reasoner http://gpu-2:8000/v1 --keys keys.txt"
)
KEY_EXAMPLES = "Examples:\n\nstorm key ana >> keys.txt\n\nstorm serve --keys keys.txt"
_DEFAULT = ServeConfig()


def serve(
    reasoner: Annotated[
        list[str] | None,
        typer.Option(metavar="nano|FOLDER|URL", help="Who writes; several URLs are replicas. Default: nano."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model's name, where a server has several.")
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The model's tokenizer.json: text then goes as token ids.")
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help="The model's name in this API.")] = _DEFAULT.name,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen at.")] = _DEFAULT.host,
    port: Annotated[int, typer.Option(metavar="N", help="The port; 0 for a free one.")] = _DEFAULT.port,
    keys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keys that are let in, from storm key; also read: STORM_API_KEYS."),
    ] = None,
    api_key: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="A key that is let in; others here can read it in the list of processes."),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name by which the server may be called, * for any; repeatable. Default: this machine's own names "
            "if --host is a loopback address, else any.",
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A web page's origin that may use the API from a browser; repeatable."),
    ] = None,
    sandbox: Annotated[
        str, typer.Option(metavar="NAME", help="Where programs run: local, docker, e2b or ray.")
    ] = _DEFAULT.sandbox,
    minimum_isolation: Annotated[
        str, typer.Option(metavar="ISOLATION", help="The weakest sandbox to accept: full, landlock or limits.")
    ] = _DEFAULT.minimum_isolation,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Programs at once; by default one a processor.")
    ] = None,
    solver_seconds: Annotated[
        float, typer.Option(metavar="S", help="Seconds for each program.")
    ] = _DEFAULT.solver_seconds,
    max_executions: Annotated[
        int, typer.Option(metavar="N", help="Programs in an answer, at medium effort.")
    ] = _DEFAULT.max_executions,
    max_tokens: Annotated[
        int | None, typer.Option(metavar="N", help="Tokens of an answer; the model's context by default.")
    ] = None,
    request_seconds: Annotated[
        float, typer.Option(metavar="S", help="Seconds for an answer.")
    ] = _DEFAULT.request_seconds,
    max_body_mb: Annotated[float, typer.Option(metavar="MB", help="Size of a request.")] = _DEFAULT.max_body_mb,
    max_running: Annotated[
        int, typer.Option(metavar="N", help="Answers under way at once; more get 429.")
    ] = _DEFAULT.max_running,
    key_running: Annotated[
        int, typer.Option(metavar="N", help="Answers under way at once for one key.")
    ] = _DEFAULT.key_running,
    key_per_minute: Annotated[
        int, typer.Option(metavar="N", help="Requests a minute for one key.")
    ] = _DEFAULT.key_per_minute,
    drain_seconds: Annotated[
        float, typer.Option(metavar="S", help="Seconds to finish answers after SIGTERM or Ctrl-C.")
    ] = _DEFAULT.drain_seconds,
    reasoning_field: Annotated[
        str, typer.Option(metavar="FIELD", help="Where thoughts go: both, reasoning or reasoning_content.")
    ] = _DEFAULT.reasoning_field,
) -> None:
    """Serve the agent over an OpenAI-compatible API: chat completions, responses, with solvers behind them."""
    with told():
        values: dict[str, Any] = dict(locals())
        origins, reasoners = values.pop("origin") or (), values.pop("reasoner") or ("nano",)
        hosts = tuple(values.pop("allowed_host") or ())
        given = values.pop("api_key") or ()
        _serve(ServeConfig(reasoner=tuple(reasoners), origins=tuple(origins), allowed_hosts=hosts, **values), given)


def key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is; a word.")],
) -> None:
    """Make a key for the server: shown on standard error; the line for the keys file goes to standard output."""
    from storm_calm.serving.api.auth import digest, new_key

    with told():
        if not name or name.split() != [name] or "#" in name:
            raise ValueError(f"the name is {name!r}; give one word")
        made = new_key()
        typer.echo(f"key of {name}, shown this once: {made}", err=True)
        typer.echo(f"{name} {digest(made)}")


def _serve(config: ServeConfig, given: Sequence[str]) -> None:
    try:
        import uvloop

        from storm_calm.serving.api.auth import ENVIRONMENT, read_keys
        from storm_calm.serving.api.server import serve as run
    except ImportError as error:
        raise ValueError(f"serving needs {error.name}; pip install 'storm-calm[serve]'") from error
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    known = read_keys(config.keys, os.environ.get(ENVIRONMENT), given)

    def listening(address: str) -> None:
        typer.echo(f"storm: serving {' and '.join(config.reasoner)} as {config.name!r} at {address}", err=True)
        if known.open:
            typer.echo("storm: no keys are set, so whoever reaches this address is let in", err=True)
        typer.echo(
            f"  curl {address}/chat/completions -H 'Content-Type: application/json' -d "
            f"""'{{"model": "{config.name}", "messages": [{{"role": "user", "content": "..."}}]}}'""",
            err=True,
        )

    try:
        uvloop.run(run(config, known, listening=listening))
    except KeyboardInterrupt:
        fail("stopped", code=130)
