"""How many more programs two nodes of a Ray cluster run than one, in one go on this machine.

    python -m benchmarks.sandbox_ray
    python -m benchmarks.sandbox_ray --seconds 10 --rounds 5 --json

A cluster is started whose head runs no programs. One node has the machine's first processor for itself, with all that
runs on it; a second one, which joins and leaves again in every round, has the next processor. So each round measures
one node, then two, with twice as many callers as there are slots. The callers, and what Ray itself runs, may use all
processors; on a machine with just two they take from the nodes, most of all when both are busy. "spinning" is a plain
Python loop, pinned to one processor and then one to each: what the machine itself gives for a second processor, in the
same round. A run counts only if its answer is right.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import ray
from ray.cluster_utils import Cluster

from benchmarks.common import described, machine
from benchmarks.sandbox import PROGRAMS as OR_TOOLS
from storm_calm.sandbox import Sandbox, open_sandbox
from storm_calm.sandbox.backends import ray_cluster

# About as long as a solve of some size takes; most of it outside of Python, as there.
LONG = """
import numpy as np
matrix = np.random.default_rng(0).random((300, 300))
for _ in range(4):
    np.linalg.svd(matrix, compute_uv=False)
print("done")
"""
PROGRAMS = {"cp-sat": OR_TOOLS["cp-sat"], "long": (LONG, "done\n")}
"""Each program and what it must print."""

_SPIN = "import sys, time\nend, n = time.time() + float(sys.argv[1]), 0\nwhile time.time() < end: n += 1\nprint(n)"


@contextmanager
def pinned(processor: int) -> Iterator[None]:
    """What is started meanwhile stays on one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def spin(processors: list[int], seconds: float) -> float:
    """Turns a second of a plain loop on each of the processors at once, together."""
    loops = []
    for processor in processors:
        with pinned(processor):
            loops.append(subprocess.Popen([sys.executable, "-c", _SPIN, str(seconds)], stdout=subprocess.PIPE))
    return sum(int(loop.communicate()[0]) for loop in loops) / seconds


def throughput(sandbox: Sandbox, name: str, nodes: int, seconds: float) -> float:
    """Programs a second, with twice as many callers as slots."""
    program, answer = PROGRAMS[name]

    def work(end: float) -> int:
        runs = 0
        while time.perf_counter() < end:
            output = sandbox.run(program).stdout
            if output != answer:
                raise RuntimeError(f"{name}: printed {output!r} instead of {answer!r}")
            runs += 1
        return runs

    with ThreadPoolExecutor(2 * nodes) as pool:
        # First for a while uncounted: every node loads what this kind of program imports.
        list(pool.map(work, [time.perf_counter() + 2] * 2 * nodes))
        begin = time.perf_counter()
        runs = sum(pool.map(work, [begin + seconds] * 2 * nodes))
        return runs / (time.perf_counter() - begin)


def wait_for_slots(sandbox: Any, number: int) -> None:
    """Until the sandbox has found the nodes that there are."""
    deadline = time.monotonic() + 120
    while sandbox.cluster.slot_count() != number:
        if time.monotonic() > deadline:
            raise RuntimeError(f"there are {sandbox.cluster.slot_count()} slots, not {number}")
        time.sleep(0.1)


def compare(seconds: float, rounds: int) -> dict[str, Any]:
    """One node and two in turns; medians over the rounds, and of the ratios within each."""
    first, second = sorted(os.sched_getaffinity(0))[:2]
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray_cluster.SCAN_INTERVAL_SECONDS = 0.2
    store = {"object_store_memory": 80 << 20}
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": {"worker_niceness": 0}, **store}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ("spinning", *PROGRAMS)}
    try:
        with pinned(first):
            cluster.add_node(num_cpus=1, **store)
        ray.init(address=cluster.address, log_to_driver=False)
        with open_sandbox("ray") as sandbox:
            for _ in range(rounds):
                wait_for_slots(sandbox, 1)
                alone = {name: throughput(sandbox, name, 1, seconds) for name in PROGRAMS}
                alone["spinning"] = spin([first], seconds)
                with pinned(second):
                    node = cluster.add_node(num_cpus=1, **store)
                wait_for_slots(sandbox, 2)
                for name in PROGRAMS:
                    found[name].append((alone[name], throughput(sandbox, name, 2, seconds)))
                found["spinning"].append((alone["spinning"], spin([first, second], seconds)))
                cluster.remove_node(node)
    finally:
        ray.shutdown()
        cluster.shutdown()
    return {
        name: {
            "one_node": statistics.median(one for one, _ in pairs),
            "two_nodes": statistics.median(two for _, two in pairs),
            "times": statistics.median(two / one for one, two in pairs),
        }
        for name, pairs in found.items()
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="for each measurement (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="of one node and two (default: 3)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    settings = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("this needs two processors, one for each node")
    facts = machine()
    rows = compare(settings.seconds, settings.rounds)
    if settings.json:
        print(json.dumps({"machine": facts, "rounds": settings.rounds, "rows": rows}, indent=2))
        return
    print(f"{described(facts)}; a processor for each node, medians of {settings.rounds} rounds")
    print(f"{'':14} {'one node /s':>14} {'two nodes /s':>14} {'times':>6}")
    for name, row in rows.items():
        print(f"{name:14} {row['one_node']:14,.1f} {row['two_nodes']:14,.1f} {row['times']:6.2f}")


if __name__ == "__main__":
    main()
