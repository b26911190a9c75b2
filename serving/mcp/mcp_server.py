"""The protocol: listings, calls of tools and resources, for both transports.

async with open_parts(config) as parts:
    server = create_server(parts, workspaces)
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from storm_calm.serving.mcp import resources
from storm_calm.serving.mcp.asking import AgentService
from storm_calm.serving.mcp.client_identity import client_of, connection_gone, is_private, quota_of
from storm_calm.serving.mcp.config import McpConfig
from storm_calm.serving.mcp.roots import Roots
from storm_calm.serving.mcp.tool_call import ServerParts, ToolCall
from storm_calm.serving.mcp.tool_calls import call_tool, failed
from storm_calm.serving.mcp.tool_errors import ToolError
from storm_calm.serving.mcp.tools import listed_tools
from storm_calm.serving.mcp.workspaces import Workspace, Workspaces

PROGRAM_THREADS = 256
"""Threads that wait for programs; further ones queue for a thread."""
SKILL_URI = "storm://skill/SKILL.md"
INSTRUCTIONS = (
    "Solve optimization problems with real solvers in a sandbox, and check the plans. Write a program with named "
    "variables and constraints, run it with run_program (submit for long solves), then check_plan before you report "
    "a number. For infeasible models use explain_infeasible; to vary numbers use what_if. The resource "
    f"{SKILL_URI} explains how, with an example."
)

Context = ServerRequestContext[Any, Any]


@contextlib.asynccontextmanager
async def open_parts(config: McpConfig) -> AsyncIterator[ServerParts]:
    """Open the sandbox. Raises SandboxUnavailableError, and ValueError for a wrong --root."""
    roots = Roots(config.roots)
    agent_config = config.agent_config()
    sandbox = await asyncio.to_thread(agent_config.open_sandbox, workers=config.workers)
    threads = ThreadPoolExecutor(PROGRAM_THREADS, thread_name_prefix="program")
    agent = AgentService(agent_config, sandbox, threads)
    try:
        yield ServerParts(config=config, sandbox=sandbox, threads=threads, roots=roots, agent=agent)
    finally:
        await agent.close()
        # Ends the programs, so that their threads end.
        await asyncio.to_thread(sandbox.close)
        await asyncio.to_thread(partial(threads.shutdown, cancel_futures=True))


def skill() -> str:
    """Return the text that teaches an agent to use the tools."""
    return files("storm_calm.serving.mcp").joinpath("SKILL.md").read_text(encoding="utf-8")


@contextlib.contextmanager
def _as_protocol_error() -> Iterator[None]:
    """Raise the error of the protocol for a ToolError: requests for resources have no result for errors."""
    try:
        yield
    except ToolError as error:
        data = error.info.model_dump()
        raise MCPError(code=types.INVALID_PARAMS, message=error.info.message, data=data) from None


def create_server(parts: ServerParts, workspaces: Workspaces) -> Server[Any]:
    """Return the server, which a transport runs."""
    tools = listed_tools(nano=parts.agent.is_nano)
    guide = types.Resource(
        uri=SKILL_URI, name="SKILL.md", mime_type="text/markdown", description="How to model, solve and check."
    )
    template = types.ResourceTemplate(
        uri_template=resources.TEMPLATE,
        name="file of a run",
        description="plan.csv, program.py, stdout.txt, report.json, exported models, and files/NAME of a program.",
    )

    def workspace_of(ctx: Context) -> Workspace:
        return workspaces.get(client_of(ctx), quota=quota_of(ctx), private=is_private(ctx))

    async def list_tools(ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools)

    async def on_call(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            workspace = workspace_of(ctx)
        except ToolError as error:
            return failed(error.info)
        call = ToolCall(
            parts=parts, workspace=workspace, progress=ctx.session.report_progress, gone=connection_gone(ctx)
        )
        with workspace.in_use():
            return await call_tool(call, params.name, params.arguments or {})

    async def list_resources(ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        with _as_protocol_error():
            workspace = workspace_of(ctx)
        own = resources.list_resources(workspace.runs) if workspace.private else []
        return types.ListResourcesResult(resources=[guide, *own])

    async def list_templates(
        ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[template])

    async def read_resource(ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        if uri == SKILL_URI:
            text = types.TextResourceContents(uri=uri, text=skill(), mime_type="text/markdown")
            return types.ReadResourceResult(contents=[text])
        with _as_protocol_error():
            workspace = workspace_of(ctx)
            with workspace.in_use():
                return await parts.in_thread(partial(resources.read_resource, workspace.runs, uri))

    return Server(
        "storm",
        version=version("storm-calm"),
        title="STORM",
        description="Solvers in a sandbox, checks of plans, and an agent that solves problems stated in words.",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=on_call,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )
