"""What the sandbox's benchmarks share: the machine's name, many callers at once, and the fresh python beside them."""

import os
import platform
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from storm_calm.sandbox.zygote.processes import process_tree

Item = TypeVar("Item")
Result = TypeVar("Result")


def machine() -> dict[str, object]:
    """What the figures were measured on, and how busy it was before ("load": of the last minute)."""
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


def described(facts: dict[str, object]) -> str:
    """`machine()` and what was added to it, as one line."""
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def processor_seconds(of: int | None = None) -> float:
    """What a process and all that descend from it, the dead ones included, have used of the processors so far.

    of: its number; this process by default.
    """
    ticks = 0
    for pid in process_tree(of or os.getpid()):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(value) for value in fields[11:15])  # Its own and its waited-for children's.
    return ticks / os.sysconf("SC_CLK_TCK")


def at_once(run: Callable[[Item], Result], items: Iterable[Item], concurrency: int) -> tuple[list[Result], float]:
    """`run` of all items from so many threads; the results in order, and the wall seconds for all."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        results = list(pool.map(run, items))
    return results, time.perf_counter() - begin
