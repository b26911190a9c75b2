"""Thousands of programs, one in twenty hostile: nothing may come out wrong, and nothing may be left behind.

    python -m benchmarks.sandbox_soak
    python -m benchmarks.sandbox_soak --runs 1000 --json

Programs of 24 kinds (`benchmarks.snippets`), whose answers a fresh python gave before, run mixed with programs that
never end, eat or hide memory, flood the output, fork without end, leave daemons, crash, forge, disturb neighbours, or
kill what they can reach (`benchmarks.hostile`). Each must
end with the status that is known for it. From time to time all callers pause, and the sandbox's processes are counted
and their memory taken: the sum of their proportional shares (PSS), this process's included. At the end

    no status and no answer may have been wrong, and no run failed by the sandbox's fault;
    no deadline may have been overrun by more than 0.25 s, and no program beside a hostile one may have taken more than
        1.5 times its time alone and 0.2 s (one each: at the sandbox's own number of callers, or the queue is measured);
    no process, descriptor, file, mount or control group may be left that was not there after the warm-up, and none
        after `close`;
    the memory of the last tenth may be at most 5 % off that of the first.

Prints a verdict and exits with code 1 where one of these does not hold.
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

from benchmarks.common import at_once, described, machine
from benchmarks.hostile import HOSTILE, ROOMY, Job
from benchmarks.snippets import KINDS, answer, program, run_fresh
from storm_calm.sandbox import Sandbox, SandboxUnavailableError, open_sandbox
from storm_calm.sandbox.zygote.processes import process_tree

_FLAT = 0.05
_RARELY = 20  # one program of so many is hostile
_LATE = 0.25  # seconds past a deadline
_READY = 4  # more descriptors of a process: a fork server keeps a few spares and network namespaces, not always as many
_SLOWER, _SLOWER_BY = 1.5, 0.2  # times its time alone, and seconds more, that a program beside hostile ones may take


@dataclass(frozen=True, kw_only=True, slots=True)
class Rest:
    """What there is while nothing runs."""

    processes: int
    servers: frozenset[int]
    """The children of this process."""
    descriptors: dict[int, int]
    """Of each process."""
    mounts: dict[int, int]
    """That each process sees; in this one only those where the sandbox could have made them."""
    groups: int
    """Control groups of sandboxes on this machine."""
    files: frozenset[str]
    """In the folder for temporary files."""
    memory_mb: float
    """Sum of the processes' proportional shares."""


@dataclass(slots=True)
class World:
    """What the sandbox could leave behind on this machine."""

    folder: Path
    """For temporary files, of this run alone."""
    token: str = field(default_factory=lambda: secrets.token_hex(7))
    """The name of every hostile program's processes and files; it is nowhere else."""

    def at_rest(self, processes: int | None = None) -> Rest:
        """What there is when all has settled; waits a while for the processes to be no more than so many."""
        deadline = time.monotonic() + 5
        members, seen = process_tree(os.getpid()), 0
        while time.monotonic() < deadline and (seen < 4 or (processes is not None and len(members) > processes)):
            time.sleep(0.03)
            now = process_tree(os.getpid())
            seen = seen + 1 if now == members else 0
            members = now
        gc.collect()
        return Rest(
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
        # Others on this machine may mount and unmount where they like.
        here = ("/", "/tmp", "/proc", "/dev/shm", "/scratch")
        return [point for point in points if point in here or point.startswith(str(self.folder))]

    def named(self) -> list[str]:
        """Processes and files anywhere that bear the token."""
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


def jobs(runs: int, answers: list[Job], token: str, seed: int) -> list[Job]:
    """So many jobs, one of twenty hostile, in an order drawn from the seed."""
    draw = random.Random(seed)
    name = f"import ctypes\nctypes.CDLL(None).prctl(15, b'{token}', 0, 0, 0)\n"
    hostile = [
        Job(
            name=job.name,
            code=name + job.code.replace("TOKEN", token),
            limits=job.limits,
            statuses=job.statuses,
            answer="OBJ left" if "OBJ left" in job.code else None,
        )
        for job in HOSTILE
    ]
    chosen: list[Job] = []
    while len(chosen) < runs:
        some = [draw.choice(answers) for _ in range(_RARELY - 1)]
        some.insert(draw.randrange(_RARELY), hostile[len(chosen) // _RARELY % len(hostile)])
        chosen += some
    return chosen[:runs]


def known_answers(variants: int) -> tuple[list[Job], float]:
    """Programs of all kinds with the answers of a fresh python, and how many of these there were a second."""
    programs = [(kind, program(kind, seed)) for kind in KINDS for seed in range(variants)]
    runs, seconds = at_once(lambda item: run_fresh(item[1]), programs, len(os.sched_getaffinity(0)))
    found = []
    for (kind, code), run in zip(programs, runs, strict=True):
        wanted = answer(run.stdout)
        if run.exit_code or wanted is None:
            raise SystemExit(f"{kind} fails in a fresh python: {run.stderr[-500:]}")
        found.append(Job(name=kind, code=code, answer=wanted))
    return found, len(programs) / seconds


@dataclass(slots=True)
class Conduct:
    """Runs jobs, and judges them; from many threads."""

    sandbox: Sandbox
    latest: float = 0.0
    """The most seconds by which a deadline was overrun."""
    slowest: float = 0.0
    """The most times its time alone that a program took beside a hostile one."""
    _running: list[str] = field(default_factory=list)
    """The names of hostile programs."""

    def __call__(self, job: Job) -> str | None:
        """Run a job; what was wrong about it."""
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
                f"{job.name}: status {execution.status} instead of {' or '.join(job.statuses)} (signal "
                f"{execution.signal}, {execution.stderr.strip()[-200:]!r})"
            )
        if job.answer is not None and got != job.answer:
            return f"{job.name}: answer {got!r} instead of {job.answer!r}"
        late = execution.wall_seconds - job.limits.seconds
        self.latest = max(self.latest, late)
        if late > _LATE:
            return f"{job.name}: {late:.1f} s past its deadline"
        if job.seconds and beside:
            self.slowest = max(self.slowest, execution.wall_seconds / job.seconds)
            if execution.wall_seconds > _SLOWER * job.seconds + _SLOWER_BY:
                return (
                    f"{job.name}: {execution.wall_seconds:.2f} s beside {' and '.join(beside)}, alone {job.seconds:.2f}"
                )
        return None


def alone(sandbox: Sandbox, job: Job) -> float:
    """Wall seconds that a program takes when nothing else runs, the median of five."""
    return statistics.median(sandbox.run(job.code, limits=job.limits).wall_seconds for _ in range(5))


def left_behind(first: Rest, last: Rest) -> list[str]:
    """What there is at the end that there was not after the warm-up."""
    found = []
    if last.processes > first.processes:
        found.append(f"processes: {first.processes} -> {last.processes}")
    for what, before, after, more in (
        ("descriptors", first.descriptors, last.descriptors, _READY),
        ("mounts", first.mounts, last.mounts, 0),
    ):
        found += [
            f"{what} of process {pid}: {before[pid]} -> {after[pid]}"
            for pid in before.keys() & after.keys()
            if after[pid] > before[pid] + more
        ]
    if last.groups > first.groups:
        found.append(f"control groups: {first.groups} -> {last.groups}")
    if len(last.files) > len(first.files):
        found.append(f"files: {sorted(last.files - first.files)[:5]}")
    return found


def drift(memory: list[float]) -> float:
    """How far the last tenth of the samples is off the first, as a share; medians of both."""
    tenth = max(1, len(memory) // 10)
    return statistics.median(memory[-tenth:]) / statistics.median(memory[:tenth]) - 1


def soak(settings: argparse.Namespace, world: World) -> dict[str, Any]:
    """Run everything; the figures, with `violations` in words."""
    answers, fresh_rate = known_answers(settings.variants)
    own_before = world.at_rest()
    faults: Counter[str] = Counter()
    rests: list[Rest] = []
    busy = 0.0
    with open_sandbox(workers=settings.workers, limits=ROOMY) as sandbox:
        facts = {**machine(), "isolation": sandbox.isolation, "workers": sandbox.workers}
        # Every kind and every hostile program once, so that all fork servers are there.
        conduct = Conduct(sandbox)
        at_once(conduct, answers, settings.concurrency)
        at_once(conduct, jobs(_RARELY * len(HOSTILE), answers, world.token, 1), settings.concurrency)
        answers = [replace(job, seconds=alone(sandbox, job)) for job in answers]
        conduct = Conduct(sandbox)
        first = world.at_rest()
        todo = jobs(settings.runs, answers, world.token, settings.seed)
        size = max(1, -(-len(todo) // settings.samples))
        for start in range(0, len(todo), size):
            found, seconds = at_once(conduct, todo[start : start + size], settings.concurrency)
            busy += seconds
            faults.update(fault for fault in found if fault)
            rests.append(world.at_rest(first.processes))
            if not settings.json:
                print(
                    f"{min(start + size, len(todo)):6} runs, {(start + len(found)) / busy:6.1f}/s, "
                    f"{rests[-1].processes} processes, {rests[-1].memory_mb:6.1f} MiB, "
                    f"{sum(faults.values())} faults",
                    flush=True,
                )
        violations = [f"{number} x {fault}" for fault, number in faults.items()]
        violations += left_behind(first, rests[-1])
    gone = world.at_rest(own_before.processes)
    violations += [f"after close: {words}" for words in (*left_behind(own_before, gone), *world.named())]
    shift = drift([rest.memory_mb for rest in rests])
    if abs(shift) > _FLAT:
        violations.append(f"memory changed by {100 * shift:+.1f} %")
    return {
        "machine": facts,
        "runs": len(todo),
        "hostile": sum(job.name not in KINDS for job in todo),
        "per_second": len(todo) / busy,
        "fresh_per_second": fresh_rate,
        "processes": rests[-1].processes,
        "servers_replaced": len(first.servers - rests[-1].servers),
        "memory_mb": [round(rest.memory_mb, 1) for rest in rests],
        "memory_drift": shift,
        "latest_seconds": conduct.latest,
        "slowest_times": conduct.slowest,
        "violations": violations,
    }


def main() -> None:
    """Parse, soak, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000, help="programs to run (default: 10000)")
    parser.add_argument("--concurrency", type=int, default=2, help="callers at once (default: 2)")
    parser.add_argument("--variants", type=int, default=5, help="programs of each kind (default: 5)")
    parser.add_argument("--samples", type=int, default=40, help="pauses to look at memory (default: 40)")
    parser.add_argument("--workers", type=int, help="programs that the sandbox runs at once (default: its own)")
    parser.add_argument("--seed", type=int, default=1, help="what the order is drawn from (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    settings = parser.parse_args()
    if min(settings.runs, settings.concurrency, settings.variants, settings.samples) < 1:
        parser.error("--runs, --concurrency, --variants and --samples need numbers of at least 1")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)  # A fork server that gave up root must pass through to its own folder.
        tempfile.tempdir = folder
        try:
            result = soak(settings, World(folder=Path(folder)))
        finally:
            tempfile.tempdir = None
    if settings.json:
        print(json.dumps(result, indent=2))
    else:
        print(described(result["machine"]))
        print(
            f"{result['runs']} runs, {result['hostile']} hostile: {result['per_second']:.1f}/s at "
            f"{settings.concurrency} at once; the same kinds in a fresh python each, none hostile: "
            f"{result['fresh_per_second']:.1f}/s"
        )
        print(
            f"past a deadline by at most {result['latest_seconds']:.2f} s; beside hostile ones at most "
            f"{result['slowest_times']:.1f} times as slow as alone"
        )
        print(f"fork servers replaced: {result['servers_replaced']}")
        print(f"memory of all processes together: {100 * result['memory_drift']:+.1f} % from first to last tenth")
        for violation in result["violations"]:
            print("VIOLATION", violation)
        print("FAILED" if result["violations"] else "PASSED: nothing wrong, nothing left behind")
    if result["violations"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
