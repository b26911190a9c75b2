"""Asking the agent a question: its answer, the verdict, and a run for each of its programs."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from storm_calm.sandbox import Execution
from storm_calm.serving.api.agent_request import AgentRequest, check_file_name, check_size
from storm_calm.serving.api.agent_tasks import AgentTask
from storm_calm.serving.api.conclusion import Conclusion
from storm_calm.serving.api.rendering import Rendering
from storm_calm.serving.mcp import resources
from storm_calm.serving.mcp.arguments import Ask
from storm_calm.serving.mcp.config import CALL_SECONDS
from storm_calm.serving.mcp.jobs import Job
from storm_calm.serving.mcp.programs import plan_facts, read_files
from storm_calm.serving.mcp.results import AskResult
from storm_calm.serving.mcp.runs import Run
from storm_calm.serving.mcp.tool_call import ToolCall
from storm_calm.serving.mcp.tool_errors import ToolError


async def ask(call: ToolCall, arguments: Ask) -> AskResult:
    """Ask the agent; an answer that is not finished in time continues as a job."""
    files = await read_files(call, arguments)
    files = {check_file_name(name, "files"): content for name, content in files.items()}
    messages = ({"role": "user", "content": arguments.question},)
    request = AgentRequest(messages=messages, files=files, param="question")  # type: ignore[arg-type]
    limit = call.parts.config.request_seconds
    job = call.workspace.jobs.start("agent", _work(call, request), limit_seconds=limit)
    if not await call.follow(job, CALL_SECONDS):
        return AskResult(status="running", job_id=job.id)
    call.workspace.jobs.forget(job)
    result: AskResult = job.result()
    return result


def _work(call: ToolCall, request: AgentRequest) -> Callable[[Job], Awaitable[AskResult]]:
    """Return the work of a job that answers a request."""

    async def work(job: Job) -> AskResult:
        job.report("opening the model")
        agent = await call.parts.agent.agent()
        job.report("thinking")
        task = agent.start(check_size(request, agent.reasoner.context))
        try:
            answer = _Answer(request, task)
            conclusion = await answer.finish(job)
        finally:
            task.cancel()
            with contextlib.suppress(BaseException):
                await asyncio.wait([task.task], timeout=10)
        if conclusion.facts["stop"] == "scope":
            raise ToolError("unsupported", conclusion.rest.strip())
        executions = task.outcome().episode.executions
        runs = await call.parts.in_thread(lambda: [_kept(one) for one in executions if one.ran])
        for run in runs:
            call.workspace.runs.add(run)
        return _result(answer.content + conclusion.rest, conclusion, task, runs)

    return work


class _Answer(Rendering):
    """An answer as text, whose progress is reported to a job."""

    async def finish(self, job: Job) -> Conclusion:
        """Return the conclusion when the answer is finished. Raises ApiError if it failed."""
        programs = 0
        async for pieces in self.pieces():
            for _, _, source in pieces:
                if isinstance(source, Execution):
                    programs += 1
                    job.report(f"program {programs} ended with {source.status}; thinking")
        return self.conclusion()


def _kept(execution: Execution) -> Run:
    run = Run.of(execution, "agent")
    resources.add_plan(run)
    return run


def _result(text: str, conclusion: Conclusion, task: AgentTask, runs: Sequence[Run]) -> AskResult:
    facts = conclusion.facts
    answer = facts["answer"]
    judged = task.outcome().judged
    examined = judged.examined if judged else None
    behind = None
    if examined is not None:
        behind = next((run for run in reversed(runs) if examined.solve in run.solves), None)
    return AskResult(
        status="answered" if answer is not None else "no_answer",
        answer=text.strip(),
        value=answer["value"] if answer else None,
        answer_status=answer["status"] if answer else None,
        backed=facts["backed"],
        verdict=facts["verdict"]["summary"],
        explanation=facts["explanation"],
        plan=plan_facts(examined.solve) if examined is not None else None,
        record_id=behind.id if behind else None,
        record_ids=[run.id for run in runs],
        resources=resources.references(behind) if behind else [],
    )
