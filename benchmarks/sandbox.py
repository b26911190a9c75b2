"""Measure the overhead and throughput of the sandbox on three small OR-Tools programs.

    python -m benchmarks.sandbox
    python -m benchmarks.sandbox --seconds 5 --concurrency 1 4 8 --json
    python -m benchmarks.sandbox --backend docker

The programs are a CP-SAT model, a SCIP model, and `print`. "sandbox" is `open_sandbox()` at the best isolation level
of this machine. The baseline, "fresh", starts `python main.py` for each run, without isolation. The two alternate, so
that other load on the machine slows both. A wrong output ends the benchmark.

The overhead is measured one run at a time, in two ways, each a median in milliseconds:

    beyond warm     wall time of the call `run`, minus the time of the same program in a process that has loaded the
                    libraries and solved it before. The copy-on-write page faults of a forked child count as overhead.
    beyond inside   wall time of the call, minus the time that the program measures in the same run, from its first line
                    to its last. Those page faults count as the program's time.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.common import TIMED, format_facts, machine, run_concurrently
from benchmarks.snippets import run_fresh
from storm_calm.sandbox import Sandbox, open_sandbox

PROGRAMS = {
    "cp-sat": (
        """
from ortools.sat.python import cp_model

values, weights = [60, 100, 120, 30, 70], [10, 20, 30, 5, 12]
model = cp_model.CpModel()
take = [model.new_bool_var(f"take{i}") for i in range(5)]
model.add(sum(w * x for w, x in zip(weights, take)) <= 50)
model.maximize(sum(v * x for v, x in zip(values, take)))
solver = cp_model.CpSolver()
solver.parameters.num_workers = 1
print(solver.status_name(solver.solve(model)), solver.objective_value)
""",
        "OPTIMAL 260.0\n",
    ),
    "scip": (
        """
from ortools.linear_solver import pywraplp

solver = pywraplp.Solver.CreateSolver("SCIP")
chairs = solver.IntVar(0, solver.infinity(), "chairs")
tables = solver.IntVar(0, solver.infinity(), "tables")
solver.Add(3 * chairs + 5 * tables <= 41)
solver.Add(2 * chairs + tables <= 19)
solver.Maximize(20 * chairs + 34 * tables)
print(solver.Solve(), round(solver.Objective().Value(), 6))
""",
        "0 278.0\n",
    ),
    "print": ("print(6 * 7)\n", "42\n"),
}
"""Each program, and the output that it must print."""

# Reads programs, one JSON string per line; runs each and prints its output and wall seconds.
_WARM = """
import contextlib, io, json, sys, time
import numpy
from ortools.linear_solver import pywraplp
from ortools.sat.python import cp_model
for line in sys.stdin:
    code, printed = json.loads(line), io.StringIO()
    with contextlib.redirect_stdout(printed):
        begin = time.perf_counter()
        exec(compile(code, "main.py", "exec"), {"__name__": "__main__"})
        seconds = time.perf_counter() - begin
    print(json.dumps([printed.getvalue(), seconds]), flush=True)
"""


def check(name: str, output: str) -> None:
    """Raise SystemExit if the output is wrong."""
    if output != PROGRAMS[name][1]:
        raise SystemExit(f"{name}: printed {output!r}, expected {PROGRAMS[name][1]!r}")


@contextlib.contextmanager
def warm_process() -> Iterator[Callable[[str], float]]:
    """Start a process that has the libraries loaded; yield a function that runs a program there and returns its ms."""
    with subprocess.Popen(
        [sys.executable, "-c", _WARM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def run(name: str) -> float:
            stdin.write(json.dumps(PROGRAMS[name][0]) + "\n")
            stdin.flush()
            output, seconds = json.loads(stdout.readline())
            check(name, output)
            return 1000 * float(seconds)

        yield run
        stdin.close()


def overhead(sandbox: Sandbox, runs: int) -> dict[str, dict[str, float]]:
    """Return median milliseconds for each program, over `runs` sequential runs."""
    rows: dict[str, dict[str, float]] = {}
    with warm_process() as warm:
        for name, (code, _) in PROGRAMS.items():
            times: dict[str, list[float]] = {"caller": [], "warm": [], "beyond_inside": [], "inside": []}
            warm(name)
            sandbox.run(code)
            for _ in range(runs):
                begin = time.perf_counter()
                execution = sandbox.run(code)
                times["caller"].append(1000 * (time.perf_counter() - begin))
                check(name, execution.stdout)

                begin = time.perf_counter()
                execution = sandbox.run(TIMED.format(code))
                waited = 1000 * (time.perf_counter() - begin)
                output, _, inside = execution.stdout.partition("seconds ")
                check(name, output)
                times["inside"].append(1000 * float(inside))
                times["beyond_inside"].append(waited - 1000 * float(inside))

                times["warm"].append(warm(name))
            rows[name] = {key: statistics.median(values) for key, values in times.items()}
            rows[name]["beyond_warm"] = rows[name]["caller"] - rows[name]["warm"]
    return rows


def throughput(run: Callable[[str], str], concurrency: int, seconds: float) -> dict[str, float]:
    """Run all programs in turn from `concurrency` threads for `seconds`; return the rate and the latencies."""
    end = time.perf_counter() + seconds
    names = list(PROGRAMS)

    def work(caller: int) -> list[float]:
        times: list[float] = []
        while (begin := time.perf_counter()) < end:
            name = names[(caller + len(times)) % len(names)]
            check(name, run(PROGRAMS[name][0]))
            times.append(1000 * (time.perf_counter() - begin))
        return times

    found, elapsed = run_concurrently(work, range(concurrency), concurrency)
    times = sorted(time for part in found for time in part)
    return {
        "runs": len(times),
        "per_second": len(times) / elapsed,
        "median_ms": statistics.median(times),
        "p95_ms": times[int(0.95 * (len(times) - 1))],
    }


def compare(sandbox: Sandbox, concurrency: int, seconds: float, turns: int) -> dict[str, Any]:
    """Measure the sandbox and the baseline alternately at one concurrency; return medians over the turns."""
    found: dict[str, list[dict[str, float]]] = {"sandbox": [], "fresh": []}
    for _ in range(turns):
        found["sandbox"].append(throughput(lambda code: sandbox.run(code).stdout, concurrency, seconds))
        found["fresh"].append(throughput(lambda code: run_fresh(code).stdout, concurrency, seconds))
    row: dict[str, Any] = {
        name: {key: statistics.median(turn[key] for turn in measured) for key in measured[0]}
        for name, measured in found.items()
    }
    return {"concurrency": concurrency, **row, "times": row["sandbox"]["per_second"] / row["fresh"]["per_second"]}


def show(overheads: dict[str, dict[str, float]], rows: list[dict[str, Any]]) -> None:
    print(f"\none run at a time, median ms\n{'':8} {'caller':>8} {'warm':>8} {'inside':>8}", end="")
    print(f" {'beyond warm':>12} {'beyond inside':>14}")
    for name, figures in overheads.items():
        print(
            f"{name:8} {figures['caller']:8.2f} {figures['warm']:8.2f} {figures['inside']:8.2f} "
            f"{figures['beyond_warm']:12.2f} {figures['beyond_inside']:14.2f}"
        )
    print(f"\nall three programs in turn\n{'callers':>7}  {'':8} {'runs/s':>8} {'median ms':>10} {'p95 ms':>8}")
    for row in rows:
        for name in ("sandbox", "fresh"):
            figures = row[name]
            print(
                f"{row['concurrency']:>7}  {name:8} {figures['per_second']:8.1f} {figures['median_ms']:10.1f} "
                f"{figures['p95_ms']:8.1f}"
            )
        print(f"{'':7}  ratio {row['times']:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="runs of each program for the overhead (default: 200)")
    parser.add_argument("--seconds", type=float, default=3, help="length of each throughput measurement (default: 3)")
    parser.add_argument("--turns", type=int, default=3, help="throughput measurements for each row (default: 3)")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8], help="concurrent callers (default: 1 8)")
    parser.add_argument("--workers", type=int, help="workers of the sandbox (default: chosen by the sandbox)")
    parser.add_argument(
        "--backend", default="local", help="sandbox backend: local, docker, e2b or ray (default: local)"
    )
    parser.add_argument("--image", help="container image of the docker backend")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    settings = parser.parse_args()
    if min(settings.runs, settings.turns, *settings.concurrency) < 1 or settings.seconds <= 0:
        parser.error("--runs, --turns and --concurrency must be at least 1; --seconds must be above 0")
    options = {"image": settings.image} if settings.image else {}
    with open_sandbox(settings.backend, workers=settings.workers, **options) as sandbox:
        facts = {**machine(), "backend": sandbox.backend, "isolation": sandbox.isolation, "workers": sandbox.workers}
        for name, (code, _) in PROGRAMS.items():
            check(name, sandbox.run(code).stdout)
        overheads = overhead(sandbox, settings.runs)
        rows = [compare(sandbox, number, settings.seconds, settings.turns) for number in settings.concurrency]
    if settings.json:
        print(json.dumps({"machine": facts, "overhead_ms": overheads, "throughput": rows}, indent=2))
        return
    print(format_facts(facts))
    show(overheads, rows)


if __name__ == "__main__":
    main()
