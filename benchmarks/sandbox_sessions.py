"""What a session costs: the block itself aside, keeping the state after it, and going back to an earlier one.

    python -m benchmarks.sandbox_sessions
    python -m benchmarks.sandbox_sessions --rounds 100 --json

A session of four blocks: read the data and build a model, solve it, add a constraint, solve again; then back to the
state after the second block, and the third and fourth again. For each library, medians of milliseconds over the rounds:

    block      what a block measures itself, from its first line to its last
    snapshot   what the caller of `run` waits beyond that: the start of the block, keeping the state, the way back
    rewind     what the caller of `rewind` waits; and what the next block then costs beyond itself
    replay     the baseline: all four blocks as one program, as without sessions

Each block's answer is compared with that of the one program. A wrong answer, or a session that had to replay where the
process could be copied, ends the benchmark with exit code 1.
"""

import argparse
import json
import statistics
import time
from typing import Any

from benchmarks.common import described, machine
from storm_calm.sandbox import Execution, Limits, Sandbox, open_sandbox

_CP_SAT = (
    """
from ortools.sat.python import cp_model
values, weights = [60, 100, 120, 30, 70, 45], [10, 20, 30, 5, 12, 9]
model = cp_model.CpModel()
take = [model.new_bool_var(f"take{i}") for i in range(6)]
model.add(sum(w * x for w, x in zip(weights, take)) <= 50)
model.maximize(sum(v * x for v, x in zip(values, take)))
solver = cp_model.CpSolver()
solver.parameters.num_workers = 1
""",
    """
print(solver.status_name(solver.solve(model)), solver.objective_value)
""",
    """
model.add(take[1] + take[4] <= 1)
""",
)
_SCIP = (
    """
from ortools.linear_solver import pywraplp
solver = pywraplp.Solver.CreateSolver("SCIP")
chairs = solver.IntVar(0, solver.infinity(), "chairs")
tables = solver.IntVar(0, solver.infinity(), "tables")
solver.Add(3 * chairs + 5 * tables <= 41)
solver.Add(2 * chairs + tables <= 19)
solver.Maximize(20 * chairs + 34 * tables)
""",
    """
print(solver.Solve(), round(solver.Objective().Value(), 6))
""",
    """
solver.Add(tables <= 3)
""",
)
_SCIPY = (
    """
import numpy as np
from scipy.optimize import linprog
c, A, b = [-20, -34], [[3, 5], [2, 1]], [41, 19]
""",
    """
result = linprog(c, A_ub=A, b_ub=b)
print(result.status, round(result.fun, 6))
""",
    """
A.append([0, 1]); b.append(3)
""",
)
_CVXPY = (
    """
import cvxpy as cp
import numpy as np
w = cp.Variable(4, nonneg=True)
constraints = [cp.sum(w) == 1]
gain = np.array([0.05, 0.08, 0.12, 0.03])
""",
    """
problem = cp.Problem(cp.Maximize(gain @ w - cp.sum_squares(w)), constraints)
problem.solve(solver=cp.CLARABEL)
print(problem.status, round(float(problem.value), 5))
""",
    """
constraints.append(w[2] <= 0.1)
""",
)
SESSIONS = {"cp-sat": _CP_SAT, "scip": _SCIP, "scipy": _SCIPY, "cvxpy": _CVXPY}
"""For each library: a block that builds a model, one that solves it, and one that adds a constraint."""

_TIMED = "import time as _time; _begin = _time.perf_counter()\n{}\nprint('seconds', _time.perf_counter() - _begin)\n"


def blocks(name: str) -> list[str]:
    """Build, solve, add, solve."""
    build, solve, add = SESSIONS[name]
    return [build, solve, add, solve]


def timed(execution: Execution, waited: float) -> tuple[str, float, float]:
    """What a timed block printed, its own milliseconds, and those beyond."""
    if execution.status != "ok":
        raise SystemExit(f"a block failed: {execution.status}\n{execution.stderr}")
    printed, _, inside = execution.stdout.partition("seconds ")
    return printed, 1000 * float(inside), 1000 * (waited - float(inside))


def round_of(sandbox: Sandbox, name: str, seen: dict[str, list[float]]) -> tuple[list[str], int]:
    """One session; what its blocks printed, and how many blocks were replayed. Adds milliseconds to `seen`."""
    printed, replayed = [], 0
    with sandbox.session() as session:

        def run(block: str, kind: str) -> None:
            nonlocal replayed
            begin = time.perf_counter()
            execution = session.run(_TIMED.format(block))
            output, inside, beyond = timed(execution, time.perf_counter() - begin)
            printed.append(output)
            seen["block"].append(inside)
            seen[kind].append(beyond)
            replayed += execution.replayed

        for number, block in enumerate(blocks(name)):
            # The first has to find a process; that is no snapshot's cost.
            run(block, "snapshot" if number else "first")
        begin = time.perf_counter()
        session.rewind(2)
        seen["rewind"].append(1000 * (time.perf_counter() - begin))
        run(blocks(name)[2], "after_rewind")
        run(blocks(name)[3], "snapshot")
    return printed, replayed


def measure(sandbox: Sandbox, name: str, rounds: int) -> dict[str, Any]:
    """Medians of one library's sessions, and what went wrong."""
    kinds = ("block", "first", "snapshot", "rewind", "after_rewind", "replay")
    seen: dict[str, list[float]] = {kind: [] for kind in kinds}
    faults: list[str] = []
    whole = "".join(blocks(name))
    wanted = sandbox.run(whole).stdout
    for _ in range(rounds):
        begin = time.perf_counter()
        execution = sandbox.run(whole)
        seen["replay"].append(1000 * (time.perf_counter() - begin))
        printed, replayed = round_of(sandbox, name, seen)
        answers = {execution.stdout, "".join(printed[:4]), "".join([*printed[:2], *printed[4:]])}
        if answers != {wanted}:
            faults.append(f"{name}: printed {printed} instead of {wanted!r}")
        if replayed:
            faults.append(f"{name}: {replayed} blocks were replayed")
    return {**{kind: statistics.median(values) for kind, values in seen.items()}, "faults": faults}


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50, help="sessions for each library (default: 50)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    settings = parser.parse_args()
    if settings.rounds < 1:
        parser.error("--rounds needs a number of at least 1")
    with open_sandbox(limits=Limits(seconds=30)) as sandbox:
        facts = {**machine(), "isolation": sandbox.isolation, "workers": sandbox.workers}
        rows = {name: measure(sandbox, name, settings.rounds) for name in SESSIONS}
    faults = [fault for row in rows.values() for fault in row["faults"]]
    if settings.json:
        print(json.dumps({"machine": facts, "ms": rows}, indent=2))
    else:
        print(described(facts))
        print(f"{'median ms':10} {'block':>8} {'snapshot':>9} {'rewind':>8} {'block after':>12} ", end="")
        print(f"{'first block':>12} {'replay of 4':>12}")
        for name, row in rows.items():
            print(
                f"{name:10} {row['block']:8.2f} {row['snapshot']:9.2f} {row['rewind']:8.2f} "
                f"{row['after_rewind']:12.2f} {row['first']:12.2f} {row['replay']:12.2f}"
            )
        for fault in sorted(set(faults)):
            print("WRONG", fault)
    if faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
