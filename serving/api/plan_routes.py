"""Routes for plans without the model: run a program, examine its solve, ask what if, export, preview data.

They are stateless. The client keeps the record of a solve, from an answer or a program, and sends it back.
"""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPBearer
from pydantic import Field

from storm_calm.env.plans.model_change import ModelChange
from storm_calm.env.plans.plan_report import PlanReport
from storm_calm.env.plans.record import RecordedSolve
from storm_calm.env.serialize import to_json
from storm_calm.sandbox import Cancellation, Execution, RunCancelledError, SandboxUnavailableError
from storm_calm.serving.api.agent_request import check_file_name, decode_file, unique_files
from storm_calm.serving.api.agent_tasks import Agent
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.conclusion import execution_data
from storm_calm.serving.api.data_preview import FilePreview, preview
from storm_calm.serving.api.file_routes import stored_of
from storm_calm.serving.api.json_body import BodyRoute
from storm_calm.serving.api.middleware import caller_of
from storm_calm.serving.api.request_body import RequestModel
from storm_calm.serving.api.sse import until_disconnect
from storm_calm.serving.plans import (
    Difference,
    ExportFormat,
    export_plan,
    last_solve,
    read_record,
    record_data,
    report_on,
    solve_with_changes,
)
from storm_calm.serving.report.markdown_tree import LONGEST, markdown_tree

T = TypeVar("T")

MAX_RESULTS = 20
"""Files of a program that are returned."""


class ProgramBody(RequestModel):
    """A program to run."""

    code: str
    """Python, as for the agent's own programs."""
    files: dict[str, str] = Field(default_factory=dict)
    """Files for the program's folder: base64 or data URLs by name."""
    results: Annotated[list[str], Field(max_length=MAX_RESULTS)] = Field(default_factory=list)
    """Names of files that the program writes and that are returned."""
    seconds: Annotated[float, Field(ge=0.1)] | None = None
    """Time limit; at most, and by default, that of the server's programs."""


class RecordBody(RequestModel):
    """A recorded solve."""

    record: dict[str, Any]
    """The record, from an answer (with `storm.return_record`), a program, or what-if."""


class Change(RequestModel):
    """A change of the recorded model."""

    kind: Literal["row_lower", "row_upper", "lower", "upper", "cost", "coefficient"]
    """A limit or coefficient of a constraint, or a bound or the cost of a variable."""
    name: str
    """Name of the constraint or the variable."""
    value: float | None
    """The new value; null removes a limit."""
    variable: str = ""
    """The variable of a coefficient."""


class WhatIfBody(RecordBody):
    """A recorded solve and changes of its model."""

    changes: list[Change]
    """The changes, all at once."""


class ExportBody(RecordBody):
    """A recorded solve to export."""

    format: ExportFormat
    """mps or lp for the model, csv or xlsx for the plan."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WhatIfResult:
    """The result of a changed model."""

    status: Literal["optimal", "infeasible", "unbounded", "open"]
    """"open": no result, with a reason."""
    reason: str
    report: PlanReport | None
    """The report on the changed model; null if the status is open."""
    record: RecordedSolve | None
    """Its record, for further changes."""
    objective_before: float | None
    differences: tuple[Difference, ...]
    """Variables that have another value."""
    differences_left_out: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Previews:
    """The previews of all files and sheets."""

    files: tuple[FilePreview, ...]


class PreviewBody(RequestModel):
    """Data files."""

    files: dict[str, str]
    """Base64 or data URLs by name."""


class MarkdownBody(RequestModel):
    """A text of a model."""

    text: Annotated[str, Field(max_length=LONGEST)]
    """Markdown with LaTeX."""


def plan_routes() -> APIRouter:
    """Return the routes. They count as requests of the caller, like answers."""
    routes = APIRouter(
        prefix="/v1", tags=["plans"], dependencies=[Depends(HTTPBearer(auto_error=False))], route_class=BodyRoute
    )

    async def work(http: Request, job: Callable[[], T], on_cancel: Callable[[], None] = lambda: None) -> T:
        """Run a job in a thread. If the client disconnects, it is cancelled."""
        agent = _agent(http)
        async with await stored_of(http).rate_limit.admit(caller_of(http.scope)):
            try:
                return await until_disconnect(http, _in_thread(agent, job))
            except ValueError as error:
                raise ApiError(400, str(error)[:500]) from None
            except SandboxUnavailableError:
                raise ApiError(
                    503, "no program can run at the moment; retry", code="sandbox_error", retry_after=5
                ) from None
            finally:
                on_cancel()

    @routes.post("/programs/run")
    async def run_program(http: Request, body: ProgramBody) -> Response:
        """Run a program in the sandbox; report on its last solve."""
        agent, cancellation = _agent(http), Cancellation()
        job = partial(_run, agent, body, _files(body.files), cancellation)
        return _json(await work(http, job, cancellation.cancel))

    @routes.post("/plans/report", responses={200: {"model": PlanReport}})
    async def report(http: Request, body: RecordBody) -> Response:
        """Examine a recorded solve: its check, what binds, or the conflict."""
        agent = _agent(http)
        return _json(await work(http, lambda: to_json(report_on(_solve(body.record), agent.sandbox))))

    @routes.post("/plans/what-if", responses={200: {"model": WhatIfResult}})
    async def what_if(http: Request, body: WhatIfBody) -> Response:
        """Solve a recorded model with changes, without the language model."""
        agent = _agent(http)
        changes = [
            ModelChange(kind=one.kind, name=one.name, value=one.value, variable=one.variable) for one in body.changes
        ]

        def changed() -> dict[str, Any]:
            found = solve_with_changes(_solve(body.record), changes, agent.sandbox)
            result = WhatIfResult(
                status=found.status,
                reason=found.reason,
                report=None if found.solve is None else report_on(found.solve, agent.sandbox),
                record=found.solve,
                objective_before=found.objective_before,
                differences=found.differences,
                differences_left_out=found.differences_left_out,
            )
            return to_json(result)

        return _json(await work(http, changed))

    @routes.post("/plans/export")
    async def export(http: Request, body: ExportBody) -> Response:
        """Return the model as MPS or LP, or the plan as CSV or Excel."""
        agent = _agent(http)
        file = await work(http, lambda: export_plan(_solve(body.record), body.format, agent.sandbox))
        headers = {"content-disposition": f'attachment; filename="{file.name}"'}
        return Response(file.content, media_type=file.media_type, headers=headers)

    @routes.post("/data/preview", responses={200: {"model": Previews}})
    async def preview_data(http: Request, body: PreviewBody) -> Response:
        """Describe data files: columns with types, units and ranges, and the first rows."""
        files = _files(body.files)
        return _json(await work(http, lambda: to_json(Previews(files=tuple(preview(files))))))

    @routes.post("/markdown")
    async def markdown(http: Request, body: MarkdownBody) -> Response:
        """Parse Markdown with formulas into the tree that the web page draws; null for plain text."""
        return _json({"tree": await work(http, lambda: markdown_tree(body.text))})

    return routes


def _agent(http: Request) -> Agent:
    agent: Agent = http.app.state.agent
    return agent


async def _in_thread(agent: Agent, job: Callable[[], T]) -> T:
    try:
        return await asyncio.get_running_loop().run_in_executor(agent.threads, job)
    except RunCancelledError as error:
        raise asyncio.CancelledError from error


def _json(data: Any) -> Response:
    return Response(orjson.dumps(data), media_type="application/json")


def _files(given: dict[str, str]) -> dict[str, bytes]:
    read = [(check_file_name(name, "files"), decode_file(data, f"files.{name[:100]}")) for name, data in given.items()]
    return unique_files(read, "files")


def _solve(record: dict[str, Any]) -> RecordedSolve:
    try:
        return read_record(record)
    except ValueError as error:
        raise ApiError(400, f"record: {error}"[:500], param="record") from None


def _run(agent: Agent, body: ProgramBody, files: dict[str, bytes], cancellation: Cancellation) -> dict[str, Any]:
    most = agent.config.solver_seconds
    execution = agent.sandbox.run(
        body.code,
        files=files,
        results=body.results,
        limits=replace(agent.sandbox.limits, seconds=min(most, body.seconds or most)),
        record=True,
        cancellation=cancellation,
    )
    return {
        **execution_data(execution),
        "files": _encoded(execution),
        **_report_and_record(last_solve(execution), agent),
    }


def _encoded(execution: Execution) -> dict[str, str]:
    return {name: base64.b64encode(content).decode() for name, content in execution.files.items()}


def _report_and_record(solve: RecordedSolve | None, agent: Agent) -> dict[str, Any]:
    if solve is None:
        return {"report": None, "record": None}
    return {"report": to_json(report_on(solve, agent.sandbox)), "record": record_data(solve)}
