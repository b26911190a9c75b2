"""Running programs: at once, in a session, and as jobs."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from storm_calm.env.plans import RecordedSolve, plan_of
from storm_calm.sandbox import Cancellation, Execution, Program, SolverReport
from storm_calm.serving.mcp import resources
from storm_calm.serving.mcp.arguments import FileArguments, ProgramArguments, RunProgram, Submit
from storm_calm.serving.mcp.config import CALL_SECONDS
from storm_calm.serving.mcp.jobs import Job
from storm_calm.serving.mcp.notebooks import Notebook
from storm_calm.serving.mcp.results import (
    MAX_LINES,
    JobStatus,
    PlanFacts,
    RunResult,
    SolveFacts,
    shortened,
    shown_number,
)
from storm_calm.serving.mcp.runs import Run
from storm_calm.serving.mcp.tool_call import ServerParts, ToolCall
from storm_calm.serving.mcp.tool_errors import ToolError, execution_error
from storm_calm.serving.mcp.workspaces import Workspace

FILES_BYTES = 64 << 20
"""Bytes of all files of a program together."""
MAX_SOLVES = 20
"""Solver calls in a result."""
_STOP_SECONDS = 5.0
"""Seconds to wait for the end of a killed program."""


async def run_program(call: ToolCall, arguments: RunProgram) -> RunResult:
    """Run a program and return what it did; what is not finished in time continues as a job."""
    if arguments.seconds > CALL_SECONDS:
        raise ToolError("invalid_input", f"seconds: at most {CALL_SECONDS:g}; use `submit` for longer solves")
    program = await _program(call, arguments, arguments.seconds or call.parts.config.default_seconds)
    call.workspace.jobs.check_room()
    notebook = _notebook(call.workspace, arguments.session)
    job = call.workspace.jobs.start(
        "program", _work(call.parts, call.workspace, program, notebook), limit_seconds=program.limits.seconds
    )
    session_id = notebook.id if notebook else None
    if not await call.follow(job, CALL_SECONDS + 2):
        return RunResult(status="running", job_id=job.id, session_id=session_id, seconds=round(job.seconds, 2))
    call.workspace.jobs.forget(job)
    result: RunResult = job.result()
    return result


async def submit(call: ToolCall, arguments: Submit) -> JobStatus:
    """Start a program as a job."""
    most = call.parts.config.submit_seconds
    if arguments.seconds > most:
        raise ToolError("invalid_input", f"seconds: at most {most:g} on this server (--submit-seconds)")
    program = await _program(call, arguments, arguments.seconds or most)
    work = _work(call.parts, call.workspace, program, None)
    return job_status(call.workspace.jobs.start("program", work, limit_seconds=program.limits.seconds))


def job_status(job: Job) -> JobStatus:
    return JobStatus(
        job_id=job.id,
        kind=job.kind,
        state=job.state,
        message="" if job.task.done() else job.message,
        seconds=round(job.seconds, 2),
        limit_seconds=job.limit_seconds,
    )


async def read_files(call: ToolCall, arguments: FileArguments) -> dict[str, bytes]:
    """Return the files of a call by name. Raises ToolError for files that programs cannot have."""
    files = {}
    for name, text in arguments.files.items():
        try:
            files[name] = text.encode()
        except UnicodeEncodeError:
            raise ToolError("invalid_input", f"files: {name[:100]!r} is not valid Unicode") from None
    for path in arguments.paths:
        name, content = await call.parts.in_thread(partial(call.parts.roots.read, path))
        if name in files:
            raise ToolError("invalid_input", f"paths: two files are named {name[:100]!r}; rename one")
        files[name] = content
        if sum(map(len, files.values())) > FILES_BYTES:
            raise ToolError("invalid_input", f"paths: the files have more than {FILES_BYTES >> 20} MiB together")
    return files


def plan_facts(solve: RecordedSolve) -> PlanFacts | None:
    """Return the plan of a solve, as far as it fits into a result."""
    plan = plan_of(solve)
    if plan is None:
        return None
    return PlanFacts(
        objective=plan.objective,
        sense=solve.report.sense,
        variables={line.name: shown_number(line.value) for line in plan.used[:MAX_LINES]},
        zero=len(plan.lines) - len(plan.used),
        left_out=max(0, len(plan.used) - MAX_LINES),
    )


async def _program(call: ToolCall, arguments: ProgramArguments, seconds: float) -> Program:
    files = await read_files(call, arguments)
    try:
        return Program(
            code=arguments.code,
            limits=call.parts.limits(seconds),
            files=files,
            results=tuple(dict.fromkeys(arguments.outputs)),
            record=True,
        )
    except ValueError as error:
        raise ToolError("invalid_input", str(error)) from None


def _notebook(workspace: Workspace, session: str) -> Notebook | None:
    if not session:
        return None
    return workspace.notebooks.open() if session == "new" else workspace.notebooks.get(session)


def _work(
    parts: ServerParts, workspace: Workspace, program: Program, notebook: Notebook | None
) -> Callable[[Job], Awaitable[RunResult]]:
    """Return the work of a job that runs a program."""

    async def work(job: Job) -> RunResult:
        job.report("running the program")
        execution = await _execute(parts, program, notebook)
        # In a thread: records may have 100,000 numbers.
        run, result = await parts.in_thread(partial(_finished, execution, program, notebook))
        workspace.runs.add(run)
        return result

    return work


async def _execute(parts: ServerParts, program: Program, notebook: Notebook | None) -> Execution:
    """Run a program in a thread. If the task is cancelled, kill the program and wait for its end."""
    stop = Cancellation()
    if notebook is None:
        run = partial(parts.sandbox.execute, program, stop)
    else:
        run = partial(
            notebook.run,
            program.code,
            limits=program.limits,
            files=program.files,
            results=program.results,
            stop=stop,
        )
    future = asyncio.ensure_future(parts.in_thread(run))
    try:
        return await asyncio.shield(future)
    finally:
        if not future.done():
            stop.cancel()
            await asyncio.wait([future], timeout=_STOP_SECONDS)
        if future.done() and not future.cancelled():
            future.exception()  # Read it, also if nothing waits for the result.


def _finished(execution: Execution, program: Program, notebook: Notebook | None) -> tuple[Run, RunResult]:
    run = Run.of(execution, "program")
    resources.add_plan(run)
    status = execution.status
    assert status != "malformed_call"
    return run, RunResult(
        status=status,
        record_id=run.id,
        session_id=notebook.id if notebook else None,
        stdout=shortened(execution.stdout),
        stderr=shortened(execution.stderr),
        seconds=round(execution.wall_seconds, 3),
        solves=[_solve_facts(report) for report in execution.reports[-MAX_SOLVES:]],
        recorded_solves=len(run.solves),
        plan=plan_facts(run.solves[-1]) if run.solves else None,
        resources=resources.references(run),
        missing_outputs=[name for name in program.results if name not in execution.files],
        error=execution_error(execution, program.limits.output_bytes >> 10),
    )


def _solve_facts(report: SolverReport) -> SolveFacts:
    return SolveFacts(
        library=report.library,
        solver=report.solver,
        status=report.status,
        objective=report.objective,
        bound=report.bound,
        gap=report.gap,
        variables=report.continuous + report.integer + report.binary,
        constraints=report.constraints,
        seconds=round(report.seconds, 4),
    )
