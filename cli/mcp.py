"""`storm mcp`: solvers, checks and the agent as tools for other agents."""

import logging
import os
from typing import Annotated

import typer

from storm_calm.cli.errors import fail, report_errors
from storm_calm.cli.options import Given, flag, options_of, read_config
from storm_calm.serving.mcp.config import McpConfig

EXAMPLES = "Examples:\n\nstorm mcp --root .\n\nstorm mcp --http --keys keys.txt"


@options_of(McpConfig)
def mcp(
    given: Given,
    *,
    skill: Annotated[
        bool, flag("--skill", "Print SKILL.md, which teaches an agent to use the tools, and exit.")
    ] = False,
) -> None:
    """Serve solvers, checks of plans and the agent as tools for agents (Model Context Protocol).

    A client starts the command by itself and talks to it over standard input and output; with --http it is a server
    for several clients. The tools run programs in the sandbox, check their plans, explain infeasible models, solve
    changed models, export them, and ask the agent.
    """
    with report_errors():
        _mcp(read_config(McpConfig, given), skill=skill)


def _mcp(config: McpConfig, *, skill: bool) -> None:
    try:
        import uvloop

        from storm_calm.serving.api.auth import ENVIRONMENT, read_keys
        from storm_calm.serving.mcp import http, mcp_server, stdio
    except ImportError as error:
        raise ValueError(f"`storm mcp` needs {error.name}; pip install 'storm-calm[mcp]'") from error
    if skill:
        typer.echo(mcp_server.skill(), nl=False)
        return
    # Standard output is the protocol's.
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    try:
        if not config.http:
            uvloop.run(stdio.serve(config))
            return
        keys = read_keys(config.keys, os.environ.get(ENVIRONMENT))

        def on_listening(address: str) -> None:
            typer.echo(f"storm: MCP server at {address}", err=True)
            if keys.open:
                typer.echo("storm: no API keys are set: any client that reaches this address is accepted", err=True)

        uvloop.run(http.serve(config, keys, on_listening=on_listening))
    except KeyboardInterrupt:
        fail("stopped", code=130)
