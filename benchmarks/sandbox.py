"""How much cheaper a run in the fork server is than a fresh python: the same program, side by side, in one go.

    python -m benchmarks.sandbox
    python -m benchmarks.sandbox --seconds 5 --concurrency 1 4 --json

The program is a small CP-SAT model. "fresh" starts `python main.py` for each run, with no isolation at all, as a bare
subprocess would; "fork server" is `open_sandbox()` at the best tier of this machine. The two take turns, so that a busy
machine slows both. A run counts only if its answer is right.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sandbox import Sandbox, open_sandbox

PROGRAM = """
from ortools.sat.python import cp_model

values, weights = [60, 100, 120, 30, 70], [10, 20, 30, 5, 12]
model = cp_model.CpModel()
take = [model.new_bool_var(f"take{i}") for i in range(5)]
model.add(sum(w * x for w, x in zip(weights, take)) <= 50)
model.maximize(sum(v * x for v, x in zip(values, take)))
solver = cp_model.CpSolver()
solver.parameters.num_workers = 1
print(solver.status_name(solver.solve(model)), solver.objective_value)
"""
ANSWER = "OPTIMAL 260.0\n"


def run_fresh() -> str:
    """The program's output in a python process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.py").write_text(PROGRAM)
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        run = subprocess.run(
            [sys.executable, "main.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        return run.stdout


def measure(run: Callable[[], str], concurrency: int, seconds: float) -> dict[str, float]:
    """Runs a second, and the median and 95th percentile of their milliseconds, from so many threads for so long."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    def work(_: int) -> None:
        while (begin := time.perf_counter()) < end:
            output = run()
            if output != ANSWER:
                raise RuntimeError(f"wrong output: {output!r}")
            times.append(1000 * (time.perf_counter() - begin))

    begin = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(work, range(concurrency)))
    spent = time.perf_counter() - begin
    times.sort()
    return {
        "runs": len(times),
        "runs_per_second": len(times) / spent,
        "median_ms": statistics.median(times),
        "p95_ms": times[int(0.95 * (len(times) - 1))],
    }


def compare(sandbox: Sandbox, concurrency: int, seconds: float) -> dict[str, Any]:
    """Both ways at one concurrency, and how many times cheaper the fork server is."""
    fork_server = measure(lambda: sandbox.run(PROGRAM).stdout, concurrency, seconds)
    fresh = measure(run_fresh, concurrency, seconds)
    return {
        "concurrency": concurrency,
        "fork_server": fork_server,
        "fresh": fresh,
        "times_cheaper": fork_server["runs_per_second"] / fresh["runs_per_second"],
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="for each measurement (default: 4)")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4], help="programs at once (default: 1 4)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    settings = parser.parse_args()
    with open_sandbox(workers=max(settings.concurrency)) as sandbox:
        sandbox.run(PROGRAM)
        rows = [compare(sandbox, concurrency, settings.seconds) for concurrency in settings.concurrency]
        result = {"tier": sandbox.tier, "processors": len(os.sched_getaffinity(0)), "rows": rows}
    if settings.json:
        print(json.dumps(result, indent=2))
        return
    print(f"tier {result['tier']}, {result['processors']} processors; a small CP-SAT program")
    print(f"{'at once':>7}  {'':12} {'runs/s':>8} {'median ms':>10} {'p95 ms':>8}")
    for row in rows:
        for name in ("fork_server", "fresh"):
            figures = row[name]
            print(
                f"{row['concurrency']:>7}  {name.replace('_', ' '):12} {figures['runs_per_second']:8.1f} "
                f"{figures['median_ms']:10.1f} {figures['p95_ms']:8.1f}"
            )
        print(f"{'':7}  {row['times_cheaper']:.1f} times cheaper")


if __name__ == "__main__":
    main()
