"""A worker pool on a Ray cluster, in place of the threads of one machine.

    curate(config, Path("runs/big"), pool=RayPool(address="auto"))

The driver moves rows into the run folder while the plan runs. So its memory does not grow with them, and a run that was
interrupted is a normal run folder once its last rows are moved, which every command that resumes it does first.
"""

import os
import signal
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from storm_calm.agents.ray.cluster import ActorSize, RayRunError, check_nodes, processors
from storm_calm.agents.ray.jobs import MOST_BLOCKS, MOST_JOBS, JobFile, key_of_attempt
from storm_calm.agents.ray.kinds import REPLIES, JobKind, kind_of
from storm_calm.agents.ray.plan import RunningPlan, committed_ids
from storm_calm.agents.ray.rows import RayFolder, Row, finished_files, read_rows, remove
from storm_calm.agents.ray.solver import SolverSetup
from storm_calm.agents.runs.options import OptionError
from storm_calm.agents.runs.progress import OnProgress, SessionUsage
from storm_calm.agents.runs.resume import ResumableWork
from storm_calm.agents.runs.worker_pool import MAX_CONSECUTIVE_FAILURES, TooManyFailuresError
from storm_calm.env.atomic_write import atomic_write
from storm_calm.sandbox.backends.ray import connected

POLL_SECONDS = 0.3
"""Seconds between two looks for new rows."""
STOP_SECONDS = 20.0
"""The longest wait for the plan to stop."""


class RayPool:
    """Runs jobs on the nodes of a Ray cluster."""

    def __init__(self, address: str | None = None, *, on_warning: Callable[[str], object] = lambda text: None) -> None:
        """address: of the cluster, for `ray.init`. Default: the one that Ray finds, or one that is started here."""
        self._address, self._on_warning = address, on_warning
        self.options = " --on ray" if address is None else f" --on ray --address {address}"

    def run(
        self,
        work: ResumableWork[Any, Any],
        config: Any,
        out: Path,
        *,
        keep: Callable[[Any], object],
        on_progress: OnProgress | None,
    ) -> None:
        """Run the jobs that are left.

        Raises SandboxUnavailableError without a connection to Ray, RayRunError if nodes cannot work on the run or Ray
        stops it, and TooManyFailuresError if job after job fails.
        """
        if config.sandbox == "ray":
            raise OptionError("sandbox", "--on ray has a local sandbox on each node; leave out --sandbox ray")
        with ExitStack() as connection:
            with _quiet_start():
                connection.enter_context(connected(self._address))
            # Blocks are not larger for more.
            count = sum(1 for _ in islice(work.left, MOST_BLOCKS * MOST_JOBS))
            session = _Session(config, RayFolder.of(out), count, self._on_warning)
            work.run(
                _not_here,
                keep=keep,
                workers=session.size.actors * session.size.in_flight,
                usage=session.usage,
                cancel=session.stop,
                on_progress=on_progress,
                name="ray",
                run_jobs=session.run_jobs,
            )
        remove(out)


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Keep Ray's core, which starts in the block, from writing to standard error and from handling SIGTERM.

    Its advice is about Ray Data's own actors. It announces even that it will be quiet.
    """
    before = os.environ.get("RAY_BACKEND_LOG_LEVEL")
    os.environ["RAY_BACKEND_LOG_LEVEL"] = before or "fatal"
    on_signal = signal.getsignal(signal.SIGTERM)
    sys.stderr.flush()
    error = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(error, 2)
        os.close(error)
        if before is None:
            del os.environ["RAY_BACKEND_LOG_LEVEL"]
        # Ray's own handler would abort the process.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_signal)


def _not_here(job: Any) -> Any:
    raise AssertionError("jobs run in actors")


class _Session:
    """One session of a run on Ray."""

    def __init__(self, config: Any, folder: RayFolder, count: int, on_warning: Callable[[str], object]) -> None:
        """count: the number of jobs, at most `MOST_BLOCKS * MOST_JOBS`."""
        self.size = ActorSize.of(processors(), config.workers)
        self._config, self._folder, self._count = config, folder, count
        self._kind: JobKind = kind_of(config)
        for path in (folder.path, folder.checkpoints):
            path.mkdir(parents=True, exist_ok=True)
        self._token = check_nodes(folder, on_warning=on_warning)
        self._plan: RunningPlan | None = None
        self._tokens = [0, 0]

    def usage(self) -> SessionUsage:
        """Return the tokens of all rows so far, and their price."""
        prices = self._config.prices
        price = None if prices is None else prices.of(*self._tokens)
        return SessionUsage(input_tokens=self._tokens[0], output_tokens=self._tokens[1], price=price)

    def stop(self) -> None:
        """Stop the plan, if it runs."""
        if self._plan is not None and self._plan.alive():
            self._plan.stop()
            self._plan.join(STOP_SECONDS)

    def run_jobs(
        self,
        jobs: Iterable[Any],
        work: Callable[[Any], Any],
        keep: Callable[[Any], bool],
        *,
        workers: int,
        cancel: Callable[[], None],
        on_progress: Callable[[int, list[str]], None],
        name: str,
    ) -> list[str]:
        """Run jobs as `worker_pool.run_jobs` does, but on Ray."""
        committed = committed_ids(self._folder)
        unfinished: set[Any] = set()

        def to_run() -> Iterator[tuple[Any, dict[str, Any]]]:
            for job in jobs:
                key = self._kind.key(job)
                unfinished.add(key)
                yield key, self._kind.to_data(job)

        with atomic_write(self._folder.jobs) as draft, draft.open("wb") as stream:
            job_file = JobFile(stream, committed, count=self._count)
            job_file.add(to_run())
        setup = SolverSetup(config=self._config, folder=self._folder, token=self._token, directory=Path.cwd())
        errors: list[str] = []
        failures = 0  # In a row.
        self._plan = plan = RunningPlan(self._folder, setup, job_file.blocks, self.size)
        try:
            while True:
                alive = plan.alive()
                files = finished_files(self._folder)
                for file in files:
                    for row in read_rows(file):
                        if row.id in committed:
                            raise RayRunError(
                                "Ray Data repeats finished work instead of skipping it, so its checkpoints have no "
                                "effect with this version; use Ray 2.60, or --shard"
                            )
                        key, _ = key_of_attempt(row.id)
                        # Ray may write a row again if a node is lost between the write and its report.
                        if key not in unfinished:
                            continue
                        unfinished.discard(key)
                        reason = self._store(row, keep)
                        if row.fault:
                            errors.append(reason)
                        failures = failures + 1 if reason else 0
                        if failures == MAX_CONSECUTIVE_FAILURES * self.size.actors:
                            raise TooManyFailuresError(
                                f"{failures} problems failed one after another, the last one because: {reason}"
                            )
                    file.unlink()
                if not alive and not files:
                    break
                if unfinished:
                    on_progress(len(unfinished), errors)
                plan.join(POLL_SECONDS)
        finally:
            cancel()
        self._check_end(plan)
        errors += ["its row was lost"] * len(unfinished)
        on_progress(0, errors)
        return errors

    def _store(self, row: Row, keep: Callable[[Any], bool]) -> str:
        """Store a row. Return why it does not count, or ""."""
        self._tokens[0] += row.input_tokens
        self._tokens[1] += row.output_tokens
        if row.replies:
            with (self._folder.path.parent / REPLIES).open("ab") as file:
                file.write(zlib.decompress(row.replies))
        if row.fault:
            return row.fault
        return "the sandbox or a checker failed" if keep(self._kind.result(row.record_data())) else ""

    def _check_end(self, plan: RunningPlan) -> None:
        """Raise RayRunError if the plan failed, or wrote rows without checkpoints."""
        if isinstance(plan.error, Warning):
            raise RayRunError(f"Ray Data has no checkpoints for this plan: {plan.error}") from plan.error
        if plan.error is not None:
            reason = next((line for line in reversed(str(plan.error).splitlines()) if line.strip()), "")
            raise RayRunError(f"Ray Data stopped: {reason or type(plan.error).__name__}") from plan.error
        if left := list(self._folder.rows.glob("*.jsonl")):
            raise RayRunError(
                f"{left[0]}: Ray Data wrote it without a checkpoint; use Ray 2.60, or --shard instead of --on ray"
            )
