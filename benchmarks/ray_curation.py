"""Curate many small problems on a local Ray cluster whose nodes are killed, on one machine's pool, and by shards.

    python -m benchmarks.ray_curation --problems 300 --kill-every 15
    python -m benchmarks.ray_curation --problems 100000 --nodes 4 --kill-every 60

The reasoner is scripted (`replay`): each trajectory runs one small program in the sandbox. The nodes of the cluster are
processes of this machine with one processor each. One of them is killed every `--kill-every` seconds, and a new one
joins. The pool of one process, and eight shards of which two run at a time, solve the same problems on the same
processors. So the difference of the wall seconds is the overhead, including all repeated work.

"lost" and "doubled" count problems by their records. "identical" compares all records without measured times. Memory is
that of the command's own process, which drives the cluster. With `--command eval`, `storm eval` runs instead.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.common import format_facts, machine
from storm_calm.agents.curation.records import CURATION_RECORDS
from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES
from storm_calm.agents.runs.record_store import RecordStore

STORM = [sys.executable, "-c", "from storm_calm.cli.start import main; main()"]
MEASURED = {
    *("at_seconds", "seconds", "wall_seconds", "cpu_seconds", "generation_seconds", "execution_seconds"),
    *("peak_memory_mb", "reasoner_usage"),
}
"""Fields of records that vary from run to run."""
RECORDS = {"curate": CURATION_RECORDS, "eval": EVALUATION_SAMPLES}
QUESTIONS = 64
"""Different questions; the problems repeat them under different ids."""
SHARDS = 8
STORE = 80 << 20
"""Bytes of the object store of a node."""
MOMENTS = 8
"""Moments of the run at which the memory is shown."""


def write_problems(folder: Path, count: int) -> None:
    """Write a file of knapsack problems, and the reference programs that solve them."""
    (folder / "references").mkdir()
    problems = []
    with (folder / "references" / "references.jsonl").open("w") as file:
        for number in range(QUESTIONS):
            room, worth = 10 + number, 6 + number % 3
            question = (
                f"A bag holds {room} kg. Sacks of rice weigh 3 kg and are worth 4 dollars each, sacks of beans weigh "
                f"5 kg and are worth {worth} dollars each. How many dollars can the bag hold at most?"
            )
            program = (
                f"best = max(4 * a + {worth} * b for a in range(30) for b in range(30) if 3 * a + 5 * b <= {room})\n"
                "print('Objective value:', best)\n"
            )
            answer = max(4 * a + worth * b for a in range(30) for b in range(30) if 3 * a + 5 * b <= room)
            problems.append({"question": question, "answer": answer})
            file.write(json.dumps({"id": f"bag-{number}", "question": question, "program": program}) + "\n")
    with (folder / "problems.jsonl").open("w") as file:
        for number in range(count):
            file.write(json.dumps({"id": f"bag-{number:07}", **problems[number % QUESTIONS]}) + "\n")


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


class Run:
    """A `storm` command that solves the problems."""

    def __init__(self, folder: Path, name: str, command: str, workers: int, *options: str) -> None:
        self.out = folder / name
        self.memory: list[tuple[float, float]] = []
        """Wall seconds and MiB at the moments of measuring."""
        given = [command, "--problems", str(folder / "problems.jsonl"), "--reasoner", f"replay:{folder / 'references'}"]
        self._command = [*STORM, *given, "--workers", str(workers), "--display", "none", "--json", *options]
        self._command += ["--out", str(self.out)]

    def run(self, beside: Callable[[float], None] = lambda seconds: None) -> float:
        """Run it to its end and return the wall seconds. beside: called every second."""
        begin = time.monotonic()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=output)
            while True:
                try:
                    process.wait(1)
                    break
                except subprocess.TimeoutExpired:
                    seconds = time.monotonic() - begin
                    self.memory.append((seconds, memory_mb(process.pid)))
                    beside(seconds)
            seconds = time.monotonic() - begin
            output.seek(0)
            if process.returncode:
                raise SystemExit(f"{self.out.name} failed:\n{output.read().decode()[-2000:]}")
        return seconds


def on_ray(folder: Path, command: str, *, workers: int, nodes: int, kill_every: float) -> tuple[Run, float, int]:
    """Run on a cluster, with killed nodes. Return the run, its wall seconds and the number of killed nodes."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    # A lost node is noticed within seconds, also while all processors are busy.
    system = {"worker_niceness": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 10}
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE, "_system_config": system}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    chance = random.Random(0)
    killed = 0
    due = kill_every

    def kill(seconds: float) -> None:
        nonlocal killed, due
        if seconds >= due:
            due += kill_every
            killed += 1
            cluster.remove_node(chance.choice(sorted(cluster.worker_nodes, key=lambda node: node.unique_id)))
            cluster.add_node(num_cpus=1, object_store_memory=STORE)

    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=1, object_store_memory=STORE)
        run = Run(folder, "ray", command, workers, "--on", "ray", "--address", cluster.address)
        return run, run.run(kill), killed
    finally:
        cluster.shutdown()


def by_shards(folder: Path, command: str, workers: int) -> tuple[Run, float]:
    """Run eight shards, two at a time, and merge them. Return the merged run and the wall seconds."""
    shards = folder / "shards"
    runs = [
        Run(shards.parent, f"shards/{number}", command, workers, "--shard", f"{number}/{SHARDS}")
        for number in range(1, SHARDS + 1)
    ]
    begin = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda run: run.run(), runs))
    merged = Run(folder, "merged", command, workers)
    subprocess.run([*STORM, "merge", str(shards), "--out", str(merged.out)], check=True, stdout=subprocess.DEVNULL)
    return merged, time.monotonic() - begin


def records(out: Path, command: str) -> Iterator[tuple[str, str]]:
    """Yield the id of each record, and the record without measured times."""
    with RecordStore.open(out, RECORDS[command]) as store:
        for data in store.records():
            yield data["id"], json.dumps(plain(data))


def plain(data: Any) -> Any:
    """Return JSON data with every measured value set to 0."""
    if isinstance(data, dict):
        return {key: 0 if key in MEASURED else plain(value) for key, value in data.items()}
    return [plain(value) for value in data] if isinstance(data, list) else data


def identical(one: Path, other: Path, command: str) -> bool:
    """Return whether two runs have the same records in the same order."""
    first, second = records(one, command), records(other, command)
    while True:
        a, b = next(first, None), next(second, None)
        if a != b:
            return False
        if a is None:
            return True


def moments(memory: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return some of the measured moments, over the whole run."""
    step = max(1, len(memory) // MOMENTS)
    return [*memory[::step], *memory[-1:]]


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run all ways and return the figures."""
    count, command, workers = arguments.problems, arguments.command, arguments.workers
    write_problems(folder, count)
    figures: dict[str, Any] = {"machine": machine(), "problems": count, "command": command, "nodes": arguments.nodes}
    ray, ray_seconds, killed = on_ray(
        folder, command, workers=workers, nodes=arguments.nodes, kill_every=arguments.kill_every
    )
    found = Counter(id for id, _ in records(ray.out, command))
    figures["ray"] = {
        "seconds": round(ray_seconds, 1),
        "per_second": round(count / ray_seconds, 1),
        "killed_nodes": killed,
        "lost": count - len(found),
        "doubled": sum(number > 1 for number in found.values()),
        "memory_mb": [(round(seconds), round(size)) for seconds, size in moments(ray.memory)],
    }
    if "pool" in arguments.ways:
        pool = Run(folder, "pool", command, workers * arguments.nodes)
        seconds = pool.run()
        figures["pool"] = {
            "seconds": round(seconds, 1),
            "per_second": round(count / seconds, 1),
            "memory_mb": [(round(at), round(size)) for at, size in moments(pool.memory)],
        }
        figures["ray"]["identical_to_pool"] = identical(ray.out, pool.out, command)
        figures["ray"]["overhead_ms"] = round(1000 * (ray_seconds - seconds) / count, 1)
    if "shards" in arguments.ways:
        merged, seconds = by_shards(folder, command, workers)
        figures["shards"] = {"seconds": round(seconds, 1), "per_second": round(count / seconds, 1)}
        figures["shards"]["identical_to_ray"] = identical(ray.out, merged.out, command)
    return figures


def show(figures: dict[str, Any]) -> None:
    print(format_facts(figures["machine"]))
    print(f"{figures['problems']} problems by storm {figures['command']}, {figures['nodes']} nodes of one processor")
    for way in ("ray", "pool", "shards"):
        if way not in figures:
            continue
        print(f"\n{way}")
        for name, value in figures[way].items():
            if name == "memory_mb":
                value = ", ".join(f"{size} MiB at {seconds} s" for seconds, size in value)
            print(f"  {name.replace('_', ' '):18} {value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=300, help="number of problems (default: 300)")
    parser.add_argument("--nodes", type=int, default=4, help="nodes of the cluster (default: 4)")
    parser.add_argument("--workers", type=int, default=2, help="problems in flight on a node (default: 2)")
    parser.add_argument("--kill-every", type=float, default=60, help="seconds between lost nodes (default: 60)")
    parser.add_argument("--command", choices=sorted(RECORDS), default="curate", help="what runs (default: curate)")
    parser.add_argument(
        "--ways",
        type=lambda text: set(text.split(",")),
        default={"pool", "shards"},
        help="what runs beside Ray: pool, shards or both, with a comma (default: both)",
    )
    parser.add_argument("--folder", type=Path, help="where to write; by default a temporary folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        figures = measure(arguments, Path(folder))
    if arguments.json:
        print(json.dumps(figures))
    else:
        show(figures)


if __name__ == "__main__":
    main()
