"""Helpers of the benchmarks: facts about the machine, concurrent calls, CPU time, CPU affinity."""

import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from storm_calm.sandbox.zygote.processes import process_tree

Item = TypeVar("Item")
Result = TypeVar("Result")

TIMED = "import time as _time; _begin = _time.perf_counter()\n{}\nprint('seconds', _time.perf_counter() - _begin)\n"
"""Template of a program that prints its own wall time last, as "seconds 0.0123"."""


def machine() -> dict[str, object]:
    """Return facts about the machine. load: the load average of the last minute, so from before the benchmark."""
    model = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        model = names[0] if names else model
    except OSError:
        pass
    return {
        "processors": len(os.sched_getaffinity(0)),
        "processor": model,
        "load": round(os.getloadavg()[0], 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def format_facts(facts: dict[str, object]) -> str:
    """Return `machine()`, with any additions, as one line."""
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def cpu_seconds(pid: int | None = None) -> float:
    """Return the CPU time that a process and its descendants have used so far, including ended ones.

    pid: this process by default.
    """
    ticks = 0
    for member in process_tree(pid or os.getpid()):
        try:
            with open(f"/proc/{member}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(value) for value in fields[11:15])  # utime, stime, and those of children already waited for
    return ticks / os.sysconf("SC_CLK_TCK")


def run_concurrently(
    run: Callable[[Item], Result], items: Iterable[Item], concurrency: int
) -> tuple[list[Result], float]:
    """Call `run` on each item from a thread pool; return the results in order and the total wall seconds."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        results = list(pool.map(run, items))
    return results, time.perf_counter() - begin


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Pin this thread, and processes that it starts, to one CPU core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
