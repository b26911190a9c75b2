"""Jobs: work that continues while no call waits for it, such as a long solve.

    job = jobs.start("program", work, limit_seconds=600)
    done = await job.wait(20)

A job is one asyncio task. Cancelling it kills its program.
"""

import asyncio
import contextlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from storm_calm.serving.mcp.quota import Quota
from storm_calm.serving.mcp.tool_errors import ToolError

Kind = Literal["program", "agent"]
State = Literal["running", "finished", "failed", "cancelled"]


class Job:
    """Work in progress, or its result."""

    def __init__(self, kind: Kind, limit_seconds: float) -> None:
        self.id = f"job-{secrets.token_hex(8)}"
        self.kind = kind
        self.limit_seconds = limit_seconds
        self.message = "waiting"
        """What it is doing."""
        self.task: asyncio.Task[Any]
        self._began = time.monotonic()
        self._ended: float | None = None
        self._changed = asyncio.Event()

    @property
    def state(self) -> State:
        if not self.task.done():
            return "running"
        if self.task.cancelled():
            return "cancelled"
        error = self.task.exception()
        if isinstance(error, ToolError) and error.info.category == "cancelled":
            return "cancelled"
        return "finished" if error is None else "failed"

    @property
    def seconds(self) -> float:
        """Seconds since its start, until its end."""
        return (self._ended or time.monotonic()) - self._began

    def report(self, message: str) -> None:
        """Say what it is doing now, and wake those that wait for a change."""
        self.message = message
        self._changed.set()

    def cancel(self) -> None:
        """Cancel it; without an effect after its end."""
        self.task.cancel()

    async def wait(self, seconds: float) -> bool:
        """Wait for its end. Return whether it has ended."""
        done, _ = await asyncio.wait([self.task], timeout=seconds)
        return bool(done)

    async def wait_for_change(self, seconds: float) -> None:
        """Wait until its message changes or it ends."""
        if self.task.done():
            return
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def result(self) -> Any:
        """Return the result. Raises ToolError if it was cancelled, and the error of the work."""
        if self.task.cancelled():
            raise ToolError("cancelled", f"{self.id} was cancelled")
        return self.task.result()

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._ended = time.monotonic()
        self._changed.set()
        if not task.cancelled():
            task.exception()  # The result may never be asked for.


class Jobs:
    """The jobs of one client."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    @property
    def running(self) -> list[Job]:
        return [job for job in self._jobs.values() if not job.task.done()]

    def check_room(self) -> None:
        """Raise ToolError if as many jobs run as may."""
        if len(self.running) >= self._quota.jobs:
            raise ToolError("busy", f"{self._quota.jobs} jobs are running; wait for one, or cancel it")

    def start(self, kind: Kind, work: Callable[[Job], Awaitable[Any]], *, limit_seconds: float) -> Job:
        """Start work, which gets its job for messages. Raises ToolError as `check_room` does."""
        self.check_room()
        job = Job(kind, limit_seconds)
        job.task = asyncio.ensure_future(work(job))
        job.task.add_done_callback(job._end)
        self._jobs[job.id] = job
        finished = [one for one in self._jobs.values() if one.task.done()]
        for old in finished[: max(0, len(finished) - self._quota.finished_jobs)]:
            del self._jobs[old.id]
        return job

    def get(self, job_id: str) -> Job:
        """Return a job. Raises ToolError for an unknown ID."""
        job = self._jobs.get(job_id)
        if job is None:
            raise ToolError(
                "not_found",
                f"job_id: no job {job_id[:60]!r} in this session; the newest {self._quota.finished_jobs} finished jobs "
                "are kept",
            )
        return job

    def forget(self, job: Job) -> None:
        """Remove a job whose result was delivered in the call that started it."""
        self._jobs.pop(job.id, None)

    async def cancel_all(self) -> None:
        """Cancel all jobs and wait for their end."""
        running = self.running
        for job in running:
            job.cancel()
        if running:
            await asyncio.wait([job.task for job in running], timeout=10)
