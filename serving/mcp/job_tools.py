"""Looking after jobs: their state, their result, their end."""

import asyncio

from storm_calm.serving.mcp.arguments import JobArguments, Status
from storm_calm.serving.mcp.programs import job_status
from storm_calm.serving.mcp.results import JobResult, JobStatus, RunResult
from storm_calm.serving.mcp.tool_call import ToolCall
from storm_calm.serving.mcp.tool_errors import ToolError

_CANCEL_SECONDS = 10.0
"""Seconds to wait for the end of a cancelled job."""


async def status(call: ToolCall, arguments: Status) -> JobStatus:
    """Return the state of a job, after it changed or `wait_seconds` passed."""
    job = call.workspace.jobs.get(arguments.job_id)
    waiting = asyncio.ensure_future(job.wait_for_change(arguments.wait_seconds))
    try:
        while not (await asyncio.wait([waiting], timeout=1.0))[0]:
            await call.progress(job.seconds, job.limit_seconds, job.message)
    finally:
        waiting.cancel()
    return job_status(job)


async def result(call: ToolCall, arguments: JobArguments) -> JobResult:
    """Return the result of a job that has ended."""
    job = call.workspace.jobs.get(arguments.job_id)
    if not job.task.done():
        raise ToolError("busy", f"{job.id} is still running after {job.seconds:.0f} s; use status, which waits")
    found = job.result()
    kind = {"program": found} if isinstance(found, RunResult) else {"agent": found}
    return JobResult(job_id=job.id, kind=job.kind, error=found.error, **kind)


async def cancel(call: ToolCall, arguments: JobArguments) -> JobStatus:
    """Cancel a job, and return its state when its program has ended."""
    job = call.workspace.jobs.get(arguments.job_id)
    job.cancel()
    await asyncio.wait([job.task], timeout=_CANCEL_SECONDS)
    return job_status(job)
