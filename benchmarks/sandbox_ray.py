"""Compare the throughput of one and two nodes of a local Ray cluster.

    python -m benchmarks.sandbox_ray
    python -m benchmarks.sandbox_ray --seconds 10 --rounds 5 --json

The head of the cluster runs no programs. The first node is pinned to one CPU core. The second node is pinned to another
core; it joins and leaves in each round. So each round measures one node, then two, with two callers per slot. The
callers and Ray's own processes may use all cores. On a machine with only two cores they compete with the nodes.

"spinning" is a plain Python loop, on one core and then on both in the same round. It shows how much a second core adds
on this machine. A wrong output ends the benchmark.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ray
from ray.cluster_utils import Cluster

from benchmarks.common import format_facts, machine, pinned
from benchmarks.sandbox import PROGRAMS as OR_TOOLS
from storm_calm.sandbox import Sandbox, open_sandbox
from storm_calm.sandbox.backends import ray_cluster

# Takes about as long as a mid-sized solve and, like one, spends most of the time outside Python.
LONG = """
import numpy as np
matrix = np.random.default_rng(0).random((300, 300))
for _ in range(4):
    np.linalg.svd(matrix, compute_uv=False)
print("done")
"""
PROGRAMS = {"cp-sat": OR_TOOLS["cp-sat"], "long": (LONG, "done\n")}
"""Each program, and the output that it must print."""

_SPIN = "import sys, time\nend, n = time.time() + float(sys.argv[1]), 0\nwhile time.time() < end: n += 1\nprint(n)"


def spin(cores: list[int], seconds: float) -> float:
    """Return iterations per second of a plain loop that runs on all `cores` at once, summed."""
    loops = []
    for core in cores:
        with pinned(core):
            loops.append(subprocess.Popen([sys.executable, "-c", _SPIN, str(seconds)], stdout=subprocess.PIPE))
    return sum(int(loop.communicate()[0]) for loop in loops) / seconds


def throughput(sandbox: Sandbox, name: str, nodes: int, seconds: float) -> float:
    """Return programs per second, with two callers per slot."""
    program, answer = PROGRAMS[name]

    def work(end: float) -> int:
        runs = 0
        while time.perf_counter() < end:
            output = sandbox.run(program).stdout
            if output != answer:
                raise RuntimeError(f"{name}: printed {output!r}, expected {answer!r}")
            runs += 1
        return runs

    with ThreadPoolExecutor(2 * nodes) as pool:
        # Warm-up, not counted: each node loads the libraries that this program imports.
        list(pool.map(work, [time.perf_counter() + 2] * 2 * nodes))
        begin = time.perf_counter()
        runs = sum(pool.map(work, [begin + seconds] * 2 * nodes))
        return runs / (time.perf_counter() - begin)


def wait_for_slots(sandbox: Any, number: int) -> None:
    """Wait until the sandbox has found `number` slots."""
    deadline = time.monotonic() + 120
    while sandbox.cluster.slot_count() != number:
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"the sandbox found {sandbox.cluster.slot_count()} slots within 120 s, expected {number}"
            )
        time.sleep(0.1)


def compare(seconds: float, rounds: int) -> dict[str, Any]:
    """Measure one node and two alternately; return medians of the rates and of their ratios."""
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="length of each measurement (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of one node and two (default: 3)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    settings = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("this benchmark needs two CPU cores, one for each node; one is available")
    facts = machine()
    rows = compare(settings.seconds, settings.rounds)
    if settings.json:
        print(json.dumps({"machine": facts, "rounds": settings.rounds, "rows": rows}, indent=2))
        return
    print(f"{format_facts(facts)}; one core per node, medians of {settings.rounds} rounds")
    print(f"{'':14} {'one node /s':>14} {'two nodes /s':>14} {'ratio':>6}")
    for name, row in rows.items():
        print(f"{name:14} {row['one_node']:14,.1f} {row['two_nodes']:14,.1f} {row['times']:6.2f}")


if __name__ == "__main__":
    main()
