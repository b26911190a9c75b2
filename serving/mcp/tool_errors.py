"""Errors of tools: a category for programs, and a message that names the problem and the fix."""

import logging
from typing import Literal

from pydantic import BaseModel, ConfigDict

from storm_calm.env import ReasonerError
from storm_calm.sandbox import Execution, RunCancelledError, SandboxUnavailableError
from storm_calm.serving.api.api_errors import ApiError

log = logging.getLogger("storm")

Category = Literal[
    "invalid_input",
    "not_found",
    "program_error",
    "timeout",
    "memory",
    "unsupported",
    "cancelled",
    "busy",
    "unavailable",
]
"""The categories. invalid_input: change the arguments. not_found: the ID is unknown or was dropped. program_error,
timeout, memory: change the program. unsupported: not possible for this model or question. cancelled: the job was
cancelled. busy: wait, then repeat. unavailable: a fault of the server.

An infeasible model is a result, not an error."""


class ErrorInfo(BaseModel):
    """An error of a tool."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    category: Category
    """The kind of error; stable across versions."""
    message: str
    """What is wrong, and what to do."""


class ToolError(Exception):
    """An error that the client gets as the result of its call."""

    def __init__(self, category: Category, message: str) -> None:
        super().__init__(message)
        self.info = ErrorInfo(category=category, message=message)


def as_tool_error(error: BaseException) -> ToolError:
    """Return the error for the client. An unexpected one is logged, and its details are not sent."""
    match error:
        case ToolError():
            return error
        case SandboxUnavailableError():
            return ToolError("unavailable", "no program can run at the moment; repeat the call later")
        case ReasonerError():
            return ToolError("unavailable", "the model behind `ask` failed; repeat the call later, or use run_program")
        case RunCancelledError():
            return ToolError("cancelled", "the program was cancelled")
        case ApiError(status=429):
            return ToolError("busy", error.message)
        case ApiError(status=status, message=message):
            return ToolError("invalid_input" if status < 500 else "unavailable", message)
    # The message may contain a client's text, so only the type and the traceback are logged.
    log.error("a tool failed with %s", type(error).__name__, exc_info=error)
    return ToolError("unavailable", "internal error of the server; its log has the details")


def execution_error(execution: Execution, output_kib: int) -> ErrorInfo | None:
    """Return the error of a program that did not end with status "ok". output_kib: its limit on output."""
    last = execution.help or execution.error_line or execution.reason
    match execution.status:
        case "ok":
            return None
        case "timeout":
            return ErrorInfo(
                category="timeout",
                message=f"the program was stopped after {execution.wall_seconds:.0f} s. Give the solver a time limit "
                "below `seconds` so that it returns its best plan, or use `submit` for more seconds",
            )
        case "memory_limit":
            return ErrorInfo(category="memory", message="the program used more memory than it may; use a smaller model")
        case "output_limit":
            text = f"the program printed more than {output_kib} KiB and was stopped; print less, and write files"
            return ErrorInfo(category="program_error", message=text)
    return ErrorInfo(category="program_error", message=last[:500] or f"the program ended with {execution.status}")
