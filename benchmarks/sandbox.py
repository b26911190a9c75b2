"""What a run costs beyond its solve: three small OR-Tools programs, as many as can be and one at a time.

    python -m benchmarks.sandbox
    python -m benchmarks.sandbox --seconds 5 --concurrency 1 4 8 --json
    python -m benchmarks.sandbox --backend docker

The programs: a CP-SAT model, a SCIP model, and `print`. "sandbox" is `open_sandbox()` at the best isolation level of
this machine; "fresh" starts `python main.py` for each run, without isolation. The two take turns, so that a busy
machine slows both. A run counts only if its answer is right; a wrong one ends the benchmark.

The overhead, one run at a time, is shown in two ways, both medians of milliseconds:

    beyond warm     what the caller of `run` waits, less what the same text takes in a process that has the libraries
                    loaded and has solved it before. Pages that a forked child must copy before it can write to them
                    count as the sandbox's cost.
    beyond inside   what the caller waits, less what the program measures itself, in that very run, from its first line
                    to its last. Those pages count as the program's.
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

from benchmarks.common import at_once, described, machine
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
"""Each program and what it must print."""

_TIMED = "import time as _time; _begin = _time.perf_counter()\n{}\nprint('seconds', _time.perf_counter() - _begin)\n"

# Reads programs, one JSON text a line; runs each and tells the seconds that it took.
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
        spent = time.perf_counter() - begin
    print(json.dumps([printed.getvalue(), spent]), flush=True)
"""


def check(name: str, output: str) -> None:
    """Refuse a wrong output."""
    if output != PROGRAMS[name][1]:
        raise SystemExit(f"{name}: printed {output!r} instead of {PROGRAMS[name][1]!r}")


@contextlib.contextmanager
def warm_process() -> Iterator[Callable[[str], float]]:
    """A process with the libraries loaded; what it gives runs the named program there, and tells its milliseconds."""
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
    """For each program, medians of milliseconds of `runs` rounds, one run at a time."""
    rows: dict[str, dict[str, float]] = {}
    with warm_process() as warm:
        for name, (code, _) in PROGRAMS.items():
            seen: dict[str, list[float]] = {"caller": [], "warm": [], "beyond_inside": [], "inside": []}
            warm(name)
            sandbox.run(code)
            for _ in range(runs):
                begin = time.perf_counter()
                execution = sandbox.run(code)
                seen["caller"].append(1000 * (time.perf_counter() - begin))
                check(name, execution.stdout)

                begin = time.perf_counter()
                execution = sandbox.run(_TIMED.format(code))
                waited = 1000 * (time.perf_counter() - begin)
                output, _, inside = execution.stdout.partition("seconds ")
                check(name, output)
                seen["inside"].append(1000 * float(inside))
                seen["beyond_inside"].append(waited - 1000 * float(inside))

                seen["warm"].append(warm(name))
            rows[name] = {key: statistics.median(values) for key, values in seen.items()}
            rows[name]["beyond_warm"] = rows[name]["caller"] - rows[name]["warm"]
    return rows


def throughput(run: Callable[[str], str], concurrency: int, seconds: float) -> dict[str, float]:
    """Runs a second of all programs in turn, and their milliseconds, from so many callers for so long."""
    end = time.perf_counter() + seconds
    names = list(PROGRAMS)

    def work(caller: int) -> list[float]:
        times: list[float] = []
        while (begin := time.perf_counter()) < end:
            name = names[(caller + len(times)) % len(names)]
            check(name, run(PROGRAMS[name][0]))
            times.append(1000 * (time.perf_counter() - begin))
        return times

    found, spent = at_once(work, range(concurrency), concurrency)
    times = sorted(time for part in found for time in part)
    return {
        "runs": len(times),
        "per_second": len(times) / spent,
        "median_ms": statistics.median(times),
        "p95_ms": times[int(0.95 * (len(times) - 1))],
    }


def compare(sandbox: Sandbox, concurrency: int, seconds: float, turns: int) -> dict[str, Any]:
    """Both ways at one concurrency, in turns; medians over the turns."""
    found: dict[str, list[dict[str, float]]] = {"sandbox": [], "fresh": []}
    for _ in range(turns):
        found["sandbox"].append(throughput(lambda code: sandbox.run(code).stdout, concurrency, seconds))
        found["fresh"].append(throughput(lambda code: run_fresh(code).stdout, concurrency, seconds))
    row: dict[str, Any] = {
        way: {key: statistics.median(turn[key] for turn in all_turns) for key in all_turns[0]}
        for way, all_turns in found.items()
    }
    return {"concurrency": concurrency, **row, "times": row["sandbox"]["per_second"] / row["fresh"]["per_second"]}


def show(overheads: dict[str, dict[str, float]], rows: list[dict[str, Any]]) -> None:
    """Print the figures."""
    print(f"\none at a time, medians of ms\n{'':8} {'caller':>8} {'warm':>8} {'inside':>8}", end="")
    print(f" {'beyond warm':>12} {'beyond inside':>14}")
    for name, figures in overheads.items():
        print(
            f"{name:8} {figures['caller']:8.2f} {figures['warm']:8.2f} {figures['inside']:8.2f} "
            f"{figures['beyond_warm']:12.2f} {figures['beyond_inside']:14.2f}"
        )
    print(f"\nall three in turn\n{'at once':>7}  {'':8} {'runs/s':>8} {'median ms':>10} {'p95 ms':>8}")
    for row in rows:
        for name in ("sandbox", "fresh"):
            figures = row[name]
            print(
                f"{row['concurrency']:>7}  {name:8} {figures['per_second']:8.1f} {figures['median_ms']:10.1f} "
                f"{figures['p95_ms']:8.1f}"
            )
        print(f"{'':7}  {row['times']:.1f} times")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="of each program for the overhead (default: 200)")
    parser.add_argument("--seconds", type=float, default=3, help="for each turn of the throughput (default: 3)")
    parser.add_argument("--turns", type=int, default=3, help="of each way at each concurrency (default: 3)")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8], help="callers at once (default: 1 8)")
    parser.add_argument("--workers", type=int, help="programs that the sandbox runs at once (default: its own)")
    parser.add_argument("--backend", default="local", help="where the sandbox's programs run (default: local)")
    parser.add_argument("--image", help="the image, for docker (default: the backend's own)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    settings = parser.parse_args()
    if min(settings.runs, settings.turns, *settings.concurrency) < 1 or settings.seconds <= 0:
        parser.error("--runs, --turns and --concurrency need numbers of at least 1, --seconds one above 0")
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
    print(described(facts))
    show(overheads, rows)


if __name__ == "__main__":
    main()
