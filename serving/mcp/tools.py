"""The tools: what an agent reads about them, their arguments, results and annotations."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from pydantic import BaseModel

from storm_calm.serving.mcp import answers, arguments, job_tools, plans, programs, results
from storm_calm.serving.mcp.tool_call import ToolCall
from storm_calm.serving.mcp.tool_errors import ErrorInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A tool."""

    title: str
    description: str
    arguments: type[arguments.Arguments]
    result: type[results.ToolResult]
    handle: Callable[[ToolCall, Any], Awaitable[results.ToolResult]]
    read_only: bool = False
    """Whether it changes nothing, not even what the server keeps."""
    ends_work: bool = False
    """Whether work in progress is lost."""


TOOLS: Mapping[str, Tool] = {
    "run_program": Tool(
        title="Run an optimization program",
        description=(
            "Run a Python program that solves an optimization problem, in an isolated sandbox with PuLP, OR-Tools, "
            "HiGHS, SCIP, CVXPY, Pyomo, SciPy, pandas and more; no network. Use it instead of computing a plan "
            "yourself. Returns output, every solver call with status and objective, the plan, and a `record_id` for "
            "check_plan, explain_infeasible, what_if and export_model. At most 25 s; use `submit` for more. Name "
            "variables and constraints, for example pulp.LpVariable('ship_A_1') and `model += hours <= 40, 'hours'`."
        ),
        arguments=arguments.RunProgram,
        result=results.RunResult,
        handle=programs.run_program,
    ),
    "submit": Tool(
        title="Start a long solve",
        description=(
            "Start a program like run_program, with a longer time limit, and return a `job_id` at once. Then call "
            "`status`, which waits for a change, until it is not running, and `result`. Give the solver itself a time "
            "limit a little below `seconds`, so that it returns its best plan."
        ),
        arguments=arguments.Submit,
        result=results.JobStatus,
        handle=programs.submit,
    ),
    "status": Tool(
        title="State of a job",
        description=(
            "Return the state of a job. Waits up to `wait_seconds` for its end, so no pause is needed between calls."
        ),
        arguments=arguments.Status,
        result=results.JobStatus,
        handle=job_tools.status,
        read_only=True,
    ),
    "result": Tool(
        title="Result of a job",
        description="Return the result of a job that has ended: the same as run_program or ask would have returned.",
        arguments=arguments.JobArguments,
        result=results.JobResult,
        handle=job_tools.result,
        read_only=True,
    ),
    "cancel": Tool(
        title="Cancel a job",
        description="Kill the program or the answer of a job. Its result is lost.",
        arguments=arguments.JobArguments,
        result=results.JobStatus,
        handle=job_tools.cancel,
        ends_work=True,
    ),
    "check_plan": Tool(
        title="Check a plan",
        description=(
            "Check a recorded plan by code that does not trust the program: does it keep every constraint, is its "
            "objective right, and does another solver find no better plan? Also returns which constraints bind and "
            "what one unit more is worth. With `plan`, check a plan of yours against the recorded model instead. "
            "Call it before you report a result."
        ),
        arguments=arguments.CheckPlan,
        result=results.CheckResult,
        handle=plans.check_plan,
        read_only=True,
    ),
    "explain_infeasible": Tool(
        title="Explain why there is no plan",
        description=(
            "For a record whose solver reported infeasible: the limits that cannot hold together, and the least change "
            "of limits that makes a plan possible, in the form that what_if takes."
        ),
        arguments=arguments.RecordArguments,
        result=results.InfeasibilityResult,
        handle=plans.explain_infeasible,
        read_only=True,
    ),
    "what_if": Tool(
        title="Change numbers and solve again",
        description=(
            "Change limits, bounds or coefficients of a recorded model and solve it again, without the program. "
            "Returns the new plan, what differs, and a new `record_id` on which further changes can be made."
        ),
        arguments=arguments.WhatIf,
        result=results.WhatIfResult,
        handle=plans.what_if,
    ),
    "export_model": Tool(
        title="Export a model or a plan",
        description=(
            "Write the recorded model as MPS or LP for other solvers, or the plan as CSV or XLSX. Returns the URI of a "
            "resource; read it with resources/read."
        ),
        arguments=arguments.ExportModel,
        result=results.ExportResult,
        handle=plans.export_model,
        read_only=True,
    ),
    "ask": Tool(
        title="Ask the STORM agent",
        description=(
            "Ask this server's own agent to solve a problem stated in words, with its numbers or with files. It writes "
            "and runs programs, and its answer is checked. Returns the answer, the verdict on it and the plan; or a "
            "`job_id` if it takes longer than 25 s: then use status and result."
        ),
        arguments=arguments.Ask,
        result=results.AskResult,
        handle=answers.ask,
    ),
}
"""The tools by name, in the order in which they are listed."""

NANO_NOTE = (
    " The model behind it is nano, a tiny one that only knows its own twelve problem families: prefer run_program."
)


def listed_tools(*, nano: bool) -> list[types.Tool]:
    """Return the tools as a client sees them. nano: whether the agent is the nano model."""
    return [
        types.Tool(
            name=name,
            title=tool.title,
            description=tool.description + (NANO_NOTE if nano and name == "ask" else ""),
            input_schema=tool.arguments.model_json_schema(),
            output_schema=output_schema(tool.result),
            annotations=types.ToolAnnotations(
                title=tool.title,
                read_only_hint=tool.read_only,
                destructive_hint=tool.ends_work,
                idempotent_hint=tool.read_only or tool.ends_work,
                open_world_hint=name == "ask" and not nano,
            ),
        )
        for name, tool in TOOLS.items()
    ]


def output_schema(result: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a result, or of an error: clients check the content of errors against it, too."""
    schema = result.model_json_schema(mode="serialization")
    required = [name for name, field in result.model_fields.items() if field.is_required()]
    schema.pop("required", None)
    schema["properties"]["error"] = {
        "$ref": "#/$defs/ErrorInfo",
        "description": "Only if the call failed: why.",
    }
    schema.setdefault("$defs", {})["ErrorInfo"] = ErrorInfo.model_json_schema()
    return {**schema, "type": "object", "anyOf": [{"required": required}, {"required": ["error"]}]}
