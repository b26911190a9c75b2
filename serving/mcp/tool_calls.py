"""Calling a tool: strict validation of its arguments, and a result with structured content, also for errors."""

import json
from typing import Any

import mcp_types as types
from pydantic import ValidationError

from storm_calm.serving.mcp.arguments import Arguments
from storm_calm.serving.mcp.tool_call import ToolCall
from storm_calm.serving.mcp.tool_errors import ErrorInfo, ToolError, as_tool_error
from storm_calm.serving.mcp.tools import TOOLS

MAX_DETAILS = 3
"""Errors of arguments that are reported."""


async def call_tool(call: ToolCall, name: str, given: dict[str, Any]) -> types.CallToolResult:
    """Call a tool and return its result. Never raises, except if the call is cancelled."""
    try:
        tool = TOOLS.get(name)
        if tool is None:
            raise ToolError("not_found", f"no tool {name[:60]!r}; there are {', '.join(TOOLS)}")
        result = await tool.handle(call, _validated(tool.arguments, given))
    except Exception as error:
        return failed(as_tool_error(error).info)
    return _answer(result.structured(), result.error)


def failed(error: ErrorInfo) -> types.CallToolResult:
    """Return the result of a call that has nothing but an error."""
    return _answer({"error": error.model_dump()}, error)


def _validated(kind: type[Arguments], given: dict[str, Any]) -> Arguments:
    try:
        return kind.model_validate(given)
    except (ValidationError, RecursionError) as error:
        raise ToolError("invalid_input", _details(kind, error)) from None


def _details(kind: type[Arguments], error: ValidationError | RecursionError) -> str:
    """Return the first errors with their places, without long values of the client."""
    if isinstance(error, RecursionError):
        return "the arguments are nested too deeply"
    details = []
    for one in error.errors(include_url=False, include_input=False)[:MAX_DETAILS]:
        place = ".".join(str(part) for part in one["loc"])[:100]
        message = one["msg"]
        if one["type"] == "extra_forbidden":
            message = f"unknown argument; there are {', '.join(kind.model_fields)}"
        details.append(f"{place or 'arguments'}: {message}")
    return "; ".join(details)


def _answer(content: dict[str, Any], error: ErrorInfo | None) -> types.CallToolResult:
    # Clients that know no structured content read the text.
    text = json.dumps(content, ensure_ascii=False)
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)],
        structured_content=content,
        is_error=error is not None,
    )
