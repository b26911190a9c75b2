"""Soak test: run thousands of programs, one in twenty hostile; check every result and look for leaks.

    python -m benchmarks.sandbox_soak
    python -m benchmarks.sandbox_soak --runs 1000 --json

Ordinary programs of 24 kinds (`benchmarks.snippets`) run mixed with hostile ones (`benchmarks.hostile`). A fresh Python
process has computed the expected answers before. Each hostile program has one or more expected statuses. At intervals
all callers pause, and the processes and their memory (the sum of the PSS, this process included) are recorded.

The benchmark passes if

    every status and answer is as expected, and the sandbox itself never fails;
    no program exceeds its deadline by more than 0.25 s;
    no program that runs beside a hostile one takes longer than 1.5 times its time alone plus 0.2 s (valid only if
        --concurrency is at most the sandbox's workers; otherwise queueing is measured, too);
    no process, descriptor, file, mount or control group is left that did not exist after the warm-up, and none
        after `close`;
    the memory of the last tenth of the samples differs from that of the first by at most 5 %.

Otherwise the violations are printed and the exit code is 1.
"""

import argparse
import gc
import json
import os
import random
import secrets
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.common import format_facts, machine, run_concurrently
from benchmarks.hostile import HOSTILE, ROOMY, Job
from benchmarks.snippets import KINDS, answer, program, run_fresh
from storm_calm.sandbox import Sandbox, SandboxUnavailableError, open_sandbox
from storm_calm.sandbox.zygote.processes import process_tree

_MAX_DRIFT = 0.05  # share by which memory may change
_HOSTILE_EVERY = 20  # one program in 20 is hostile
_MAX_OVERRUN = 0.25  # seconds past a deadline
_EXTRA_DESCRIPTORS = 4  # per process: a fork server keeps a varying number of spare children and network namespaces
_MAX_SLOWDOWN, _MAX_DELAY = 1.5, 0.2  # limit beside hostile programs: factor on the time alone, plus seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class IdleState:
    """Resources in use while no program runs."""

    processes: int
    servers: frozenset[int]
    """Child processes of this process."""
    descriptors: dict[int, int]
    """Number of open descriptors, by process."""
    mounts: dict[int, int]
    """Number of mounts, by process; for this process only mounts that the sandbox could have created."""
    groups: int
    """Number of control groups that sandboxes of this process have."""
    files: frozenset[str]
    """Paths in the folder for temporary files."""
    memory_mb: float
    """Sum of the PSS of all processes, in MiB."""


@dataclass(slots=True)
class LeakMonitor:
    """Finds resources that the sandbox could leave behind on this machine."""

    folder: Path
    """Folder for temporary files that only this run uses."""
    token: str = field(default_factory=lambda: secrets.token_hex(7))
    """Random text in the names of all processes and files of hostile programs."""

    def idle_state(self, processes: int | None = None) -> IdleState:
        """Wait until the process tree is stable, for at most 5 seconds, and return the resources in use.

        processes: also wait until no more than this many exist.
        """
        deadline = time.monotonic() + 5
        members, seen = process_tree(os.getpid()), 0
        while time.monotonic() < deadline and (seen < 4 or (processes is not None and len(members) > processes)):
            time.sleep(0.03)
            now = process_tree(os.getpid())
            seen = seen + 1 if now == members else 0
            members = now
        gc.collect()
        return IdleState(
            processes=len(members),
            servers=frozenset(pid for pid in members if _parent(pid) == os.getpid()),
            descriptors={pid: _count(f"/proc/{pid}/fd") for pid in members},
            mounts={pid: len(self._mounts(pid)) for pid in members},
            groups=sum(1 for _ in Path("/sys/fs/cgroup").rglob(f"storm-sandbox-{os.getpid()}-*")),
            files=frozenset(str(path) for path in self.folder.rglob("*")),
            memory_mb=sum(_proportional_kb(pid) for pid in members) / 1024,
        )

    def _mounts(self, pid: int) -> list[str]:
        try:
            lines = Path(f"/proc/{pid}/mountinfo").read_text(errors="replace").splitlines()
        except OSError:
            return []
        points = [line.split()[4] for line in lines]
        if pid != os.getpid():
            return points
        # Other processes on this machine may mount and unmount elsewhere.
        here = ("/", "/tmp", "/proc", "/dev/shm", "/scratch")
        return [point for point in points if point in here or point.startswith(str(self.folder))]

    def with_token(self) -> list[str]:
        """Return all processes and files on this machine whose name contains the token."""
        found = []
        for comm in Path("/proc").glob("[0-9]*/comm"):
            try:
                if self.token[:15] in comm.read_text():
                    found.append(f"process {comm.parent.name}")
            except OSError:
                continue
        found += [
            f"file {path}"
            for place in ("/tmp", "/var/tmp", "/dev/shm", "/run")
            for path in Path(place).glob(f"*{self.token}*")
        ]
        return found


def _count(folder: str) -> int:
    try:
        return len(os.listdir(folder))
    except OSError:
        return 0


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _proportional_kb(pid: int) -> int:
    try:
        report = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in report.splitlines() if line.startswith("Pss:")), 0)


def jobs(runs: int, ordinary: list[Job], token: str, seed: int) -> list[Job]:
    """Return `runs` jobs in a random order; one in twenty is hostile, the others are drawn from `ordinary`."""
    draw = random.Random(seed)
    set_name = f"import ctypes\nctypes.CDLL(None).prctl(15, b'{token}', 0, 0, 0)\n"
    hostile = [
        Job(
            name=job.name,
            code=set_name + job.code.replace("TOKEN", token),
            limits=job.limits,
            statuses=job.statuses,
            answer="OBJ left" if "OBJ left" in job.code else None,
        )
        for job in HOSTILE
    ]
    chosen: list[Job] = []
    while len(chosen) < runs:
        batch = [draw.choice(ordinary) for _ in range(_HOSTILE_EVERY - 1)]
        batch.insert(draw.randrange(_HOSTILE_EVERY), hostile[len(chosen) // _HOSTILE_EVERY % len(hostile)])
        chosen += batch
    return chosen[:runs]


def ordinary_jobs(variants: int) -> tuple[list[Job], float]:
    """Run programs of all kinds in fresh processes; return them with their answers, and the programs per second.

    Raises SystemExit if one of them fails.
    """
    programs = [(kind, program(kind, seed)) for kind in KINDS for seed in range(variants)]
    runs, seconds = run_concurrently(lambda item: run_fresh(item[1]), programs, len(os.sched_getaffinity(0)))
    found = []
    for (kind, code), run in zip(programs, runs, strict=True):
        expected = answer(run.stdout)
        if run.exit_code or expected is None:
            raise SystemExit(f"{kind} fails in a fresh process: {run.stderr[-500:]}")
        found.append(Job(name=kind, code=code, answer=expected))
    return found, len(programs) / seconds


@dataclass(slots=True)
class Checker:
    """Runs jobs from many threads and checks their results."""

    sandbox: Sandbox
    latest: float = 0.0
    """Largest overrun of a deadline, in seconds."""
    slowest: float = 0.0
    """Largest ratio of a program's time beside a hostile one to its time alone."""
    _running: list[str] = field(default_factory=list)
    """Names of the hostile programs that are running."""

    def __call__(self, job: Job) -> str | None:
        """Run a job; return a description of what was wrong, or None."""
        own = [] if job.name in KINDS else [job.name]
        beside = list(self._running)
        self._running += own
        try:
            execution = self.sandbox.run(job.code, limits=job.limits)
        except SandboxUnavailableError as error:
            return f"{job.name}: the sandbox failed: {error}"
        finally:
            for name in own:
                self._running.remove(name)
        got = answer(execution.stdout)
        if execution.status not in job.statuses:
            return (
                f"{job.name}: status {execution.status}, expected {' or '.join(job.statuses)} (signal "
                f"{execution.signal}, {execution.stderr.strip()[-200:]!r})"
            )
        if job.answer is not None and got != job.answer:
            return f"{job.name}: answer {got!r}, expected {job.answer!r}"
        overrun = execution.wall_seconds - job.limits.seconds
        self.latest = max(self.latest, overrun)
        if overrun > _MAX_OVERRUN:
            return f"{job.name}: {overrun:.1f} s past its deadline"
        if job.seconds and beside:
            self.slowest = max(self.slowest, execution.wall_seconds / job.seconds)
            if execution.wall_seconds > _MAX_SLOWDOWN * job.seconds + _MAX_DELAY:
                return (
                    f"{job.name}: {execution.wall_seconds:.2f} s beside {' and '.join(beside)}, alone {job.seconds:.2f}"
                )
        return None


def alone(sandbox: Sandbox, job: Job) -> float:
    """Return the wall seconds of a program when nothing else runs, the median of five runs."""
    return statistics.median(sandbox.run(job.code, limits=job.limits).wall_seconds for _ in range(5))


def left_behind(first: IdleState, last: IdleState) -> list[str]:
    """Return a description of each resource of `last` that was not in `first`."""
    found = []
    if last.processes > first.processes:
        found.append(f"processes: {first.processes} -> {last.processes}")
    for what, before, after, extra in (
        ("descriptors", first.descriptors, last.descriptors, _EXTRA_DESCRIPTORS),
        ("mounts", first.mounts, last.mounts, 0),
    ):
        found += [
            f"{what} of process {pid}: {before[pid]} -> {after[pid]}"
            for pid in before.keys() & after.keys()
            if after[pid] > before[pid] + extra
        ]
    if last.groups > first.groups:
        found.append(f"control groups: {first.groups} -> {last.groups}")
    if len(last.files) > len(first.files):
        found.append(f"files: {sorted(last.files - first.files)[:5]}")
    return found


def drift(memory: list[float]) -> float:
    """Return the relative change of the median from the first tenth of the samples to the last."""
    tenth = max(1, len(memory) // 10)
    return statistics.median(memory[-tenth:]) / statistics.median(memory[:tenth]) - 1


def soak(settings: argparse.Namespace, monitor: LeakMonitor) -> dict[str, Any]:
    """Run the soak test; return its figures, with a list of `violations`."""
    ordinary, fresh_rate = ordinary_jobs(settings.variants)
    before = monitor.idle_state()
    faults: Counter[str] = Counter()
    samples: list[IdleState] = []
    busy = 0.0
    with open_sandbox(workers=settings.workers, limits=ROOMY) as sandbox:
        facts = {**machine(), "isolation": sandbox.isolation, "workers": sandbox.workers}
        # Warm-up: each ordinary and each hostile program once, so that all fork servers are running.
        checker = Checker(sandbox)
        run_concurrently(checker, ordinary, settings.concurrency)
        warm_up = jobs(_HOSTILE_EVERY * len(HOSTILE), ordinary, monitor.token, seed=1)
        run_concurrently(checker, warm_up, settings.concurrency)
        ordinary = [replace(job, seconds=alone(sandbox, job)) for job in ordinary]
        checker = Checker(sandbox)
        first = monitor.idle_state()
        todo = jobs(settings.runs, ordinary, monitor.token, settings.seed)
        size = max(1, -(-len(todo) // settings.samples))
        for start in range(0, len(todo), size):
            found, seconds = run_concurrently(checker, todo[start : start + size], settings.concurrency)
            busy += seconds
            faults.update(fault for fault in found if fault)
            samples.append(monitor.idle_state(first.processes))
            if not settings.json:
                print(
                    f"{min(start + size, len(todo)):6} runs, {(start + len(found)) / busy:6.1f}/s, "
                    f"{samples[-1].processes} processes, {samples[-1].memory_mb:6.1f} MiB, "
                    f"{sum(faults.values())} faults",
                    flush=True,
                )
        violations = [f"{number} x {fault}" for fault, number in faults.items()]
        violations += left_behind(first, samples[-1])
    closed = monitor.idle_state(before.processes)
    violations += [f"after close: {leak}" for leak in (*left_behind(before, closed), *monitor.with_token())]
    change = drift([sample.memory_mb for sample in samples])
    if abs(change) > _MAX_DRIFT:
        violations.append(f"memory changed by {100 * change:+.1f} %")
    return {
        "machine": facts,
        "runs": len(todo),
        "hostile": sum(job.name not in KINDS for job in todo),
        "per_second": len(todo) / busy,
        "fresh_per_second": fresh_rate,
        "processes": samples[-1].processes,
        "servers_replaced": len(first.servers - samples[-1].servers),
        "memory_mb": [round(sample.memory_mb, 1) for sample in samples],
        "memory_drift": change,
        "latest_seconds": checker.latest,
        "slowest_times": checker.slowest,
        "violations": violations,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000, help="programs to run (default: 10000)")
    parser.add_argument("--concurrency", type=int, default=2, help="concurrent callers (default: 2)")
    parser.add_argument("--variants", type=int, default=5, help="programs of each kind (default: 5)")
    parser.add_argument("--samples", type=int, default=40, help="pauses at which resources are recorded (default: 40)")
    parser.add_argument("--workers", type=int, help="workers of the sandbox (default: chosen by the sandbox)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the order (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    settings = parser.parse_args()
    if min(settings.runs, settings.concurrency, settings.variants, settings.samples) < 1:
        parser.error("--runs, --concurrency, --variants and --samples must be at least 1")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)  # A fork server that has dropped root must be able to reach its own folder.
        tempfile.tempdir = folder
        try:
            result = soak(settings, LeakMonitor(folder=Path(folder)))
        finally:
            tempfile.tempdir = None
    if settings.json:
        print(json.dumps(result, indent=2))
    else:
        print(format_facts(result["machine"]))
        print(
            f"{result['runs']} runs, {result['hostile']} hostile: {result['per_second']:.1f}/s at "
            f"{settings.concurrency} callers; the ordinary programs alone, in fresh processes: "
            f"{result['fresh_per_second']:.1f}/s"
        )
        print(
            f"largest overrun: {result['latest_seconds']:.2f} s; largest slowdown beside hostile programs: "
            f"{result['slowest_times']:.1f} times"
        )
        print(f"fork servers replaced: {result['servers_replaced']}")
        print(f"memory of all processes: {100 * result['memory_drift']:+.1f} % from the first to the last tenth")
        for violation in result["violations"]:
            print("VIOLATION", violation)
        print("FAILED" if result["violations"] else "PASSED: all results as expected, no leaks")
    if result["violations"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
