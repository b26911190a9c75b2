"""24 kinds of solve in the sandbox, against a fresh python for each: how many a second, and whether the answers agree.

    python -m benchmarks.sandbox_mixed
    python -m benchmarks.sandbox_mixed --compare 504 --concurrency 8 2 --json

"sandbox" is `open_sandbox()` at the best isolation level of this machine, "fresh" a `python main.py` for each program,
without isolation and with one thread for linear algebra. Both get the same programs (`benchmarks.snippets`) from as
many callers at once, and take turns, so that a busy machine slows both; where other work runs beside them, the
processor time is the fairer measure. The rates are medians over the turns. Every answer of the sandbox is compared with
the fresh python's; one that differs, or a program that fails, ends the benchmark with exit code 1. Memory is what a
program's process holds for itself at its end, pages copied from the fork server included: Private_Dirty in its
smaps_rollup, read by further programs that don't count for the rates.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from benchmarks.common import at_once, described, machine, processor_seconds
from benchmarks.snippets import KINDS, answer, mixed, run_fresh
from storm_calm.sandbox import Execution, Limits, Sandbox, open_sandbox

Programs = list[tuple[str, str]]
_PRIVATE = """
import re
print("PRIVATE", int(re.search(r"Private_Dirty:\\s+(\\d+)", open("/proc/self/smaps_rollup").read())[1]) / 1024)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class BothWays:
    """Some programs, run both ways."""

    programs: Programs
    executions: list[Execution]
    waited_ms: list[float]
    """From the caller's call to its return, for each program; with many callers mostly spent waiting for a turn."""
    fresh_ms: list[float]
    fresh_answers: list[str | None]
    sandbox_rate: float
    """Programs a second."""
    fresh_rate: float
    sandbox_processor_ms: float
    """Of processor time for a program, all that the sandbox does for it included."""
    fresh_processor_ms: float


def take_turn(sandbox: Sandbox, programs: Programs, concurrency: int) -> BothWays:
    """Run the programs in the sandbox, then each in a fresh python."""

    def timed(item: tuple[str, str]) -> tuple[Execution, float]:
        begin = time.perf_counter()
        execution = sandbox.run(item[1])
        return execution, 1000 * (time.perf_counter() - begin)

    marks = [processor_seconds()]
    ours, our_seconds = at_once(timed, programs, concurrency)
    marks.append(processor_seconds())
    fresh, fresh_seconds = at_once(lambda item: run_fresh(item[1]), programs, concurrency)
    marks.append(processor_seconds())
    return BothWays(
        programs=programs,
        executions=[execution for execution, _ in ours],
        waited_ms=[ms for _, ms in ours],
        fresh_ms=[1000 * run.seconds for run in fresh],
        fresh_answers=[answer(run.stdout) if run.exit_code == 0 else None for run in fresh],
        sandbox_rate=len(programs) / our_seconds,
        fresh_rate=len(programs) / fresh_seconds,
        sandbox_processor_ms=1000 * (marks[1] - marks[0]) / len(programs),
        fresh_processor_ms=1000 * (marks[2] - marks[1]) / len(programs),
    )


def differences(turn: BothWays) -> list[dict[str, Any]]:
    """What came out otherwise than in a fresh python, or not at all."""
    found = []
    for (kind, code), execution, wanted in zip(turn.programs, turn.executions, turn.fresh_answers, strict=True):
        got = answer(execution.stdout) if execution.status == "ok" else None
        if got is None or got != wanted:
            found.append(
                {
                    "kind": kind,
                    "status": execution.status,
                    "signal": execution.signal,
                    "sandbox": got,
                    "fresh": wanted,
                    "stderr": execution.stderr[-300:],
                    "code": code,
                }
            )
    return found


def private_memory(sandbox: Sandbox, seed: int) -> dict[str, list[float]]:
    """MiB that programs of each kind hold for themselves at their end."""
    found = defaultdict(list)
    for kind, code in mixed(3 * len(KINDS), seed):
        stdout = sandbox.run(code + _PRIVATE).stdout
        found[kind] += [float(line.split()[1]) for line in stdout.splitlines() if line.startswith("PRIVATE ")]
    return found


def by_kind(turns: list[BothWays], memory: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """For each kind: median milliseconds of a program both ways, median and worst MiB."""
    waited, ran, fresh = defaultdict(list), defaultdict(list), defaultdict(list)
    for turn in turns:
        for number, (kind, _) in enumerate(turn.programs):
            waited[kind].append(turn.waited_ms[number])
            ran[kind].append(1000 * turn.executions[number].wall_seconds)
            fresh[kind].append(turn.fresh_ms[number])
    return {
        kind: {
            "waited_ms": statistics.median(waited[kind]),
            "ran_ms": statistics.median(ran[kind]),
            "fresh_ms": statistics.median(fresh[kind]),
            "memory_mb": statistics.median(memory[kind]),
            "worst_memory_mb": max(memory[kind]),
        }
        for kind in KINDS
        if ran[kind]
    }


def measure(sandbox: Sandbox, compare: int, concurrency: int, per_turn: int, seed: int) -> dict[str, Any]:
    """All figures at one concurrency."""
    programs = mixed(compare, seed)
    turns = [
        take_turn(sandbox, programs[start : start + per_turn], concurrency) for start in range(0, compare, per_turn)
    ]
    kinds = by_kind(turns, private_memory(sandbox, seed + 1))
    return {
        "concurrency": concurrency,
        "compared": compare,
        "differences": [found for turn in turns for found in differences(turn)],
        "sandbox_per_second": statistics.median(turn.sandbox_rate for turn in turns),
        "fresh_per_second": statistics.median(turn.fresh_rate for turn in turns),
        "times": statistics.median(turn.sandbox_rate / turn.fresh_rate for turn in turns),
        "sandbox_processor_ms": statistics.median(turn.sandbox_processor_ms for turn in turns),
        "fresh_processor_ms": statistics.median(turn.fresh_processor_ms for turn in turns),
        "memory_mb": statistics.median(figures["memory_mb"] for figures in kinds.values()),
        "worst_memory_mb": max(figures["worst_memory_mb"] for figures in kinds.values()),
        "kinds": kinds,
    }


def show(row: dict[str, Any]) -> None:
    """Print the figures of one concurrency."""
    print(f"\n{row['compared']} programs of {len(row['kinds'])} kinds, {row['concurrency']} at once")
    print(
        f"  sandbox {row['sandbox_per_second']:.1f}/s, fresh {row['fresh_per_second']:.1f}/s: {row['times']:.1f} times"
    )
    print(
        f"  processor time of a program: sandbox {row['sandbox_processor_ms']:.0f} ms, fresh "
        f"{row['fresh_processor_ms']:.0f} ms: {row['fresh_processor_ms'] / row['sandbox_processor_ms']:.1f} times"
    )
    print(f"  private memory of a program: median {row['memory_mb']:.1f} MiB, worst {row['worst_memory_mb']:.1f} MiB")
    print(f"  {'kind':18} {'waited ms':>10} {'ran ms':>8} {'fresh ms':>9} {'MiB':>6} {'worst':>6}")
    for kind, figures in row["kinds"].items():
        print(
            f"  {kind:18} {figures['waited_ms']:10.1f} {figures['ran_ms']:8.1f} {figures['fresh_ms']:9.1f} "
            f"{figures['memory_mb']:6.1f} {figures['worst_memory_mb']:6.1f}"
        )
    print(f"  {row['compared'] - len(row['differences'])} of {row['compared']} answers equal those of a fresh python")
    for found in row["differences"][:20]:
        print(
            f"  DIFFERS {found['kind']}: {found['sandbox']!r}, fresh {found['fresh']!r}; status {found['status']}, "
            f"signal {found['signal']}, {found['stderr'].strip()[-160:]!r}"
        )


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", type=int, default=240, help="programs to run both ways (default: 240)")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[8], help="callers at once (default: 8)")
    parser.add_argument("--turn", type=int, default=48, help="programs until the other way is on (default: 48)")
    parser.add_argument("--workers", type=int, help="programs that the sandbox runs at once (default: its own)")
    parser.add_argument("--seed", type=int, default=1, help="what the programs are drawn from (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    settings = parser.parse_args()
    if min(settings.compare, settings.turn, *settings.concurrency) < 1:
        parser.error("--compare, --turn and --concurrency need numbers of at least 1")
    with open_sandbox(workers=settings.workers, limits=Limits(seconds=60)) as sandbox:
        facts = {**machine(), "isolation": sandbox.isolation, "workers": sandbox.workers}
        if not settings.json:
            print(described(facts), flush=True)
        take_turn(sandbox, mixed(len(KINDS), settings.seed + 1), concurrency=2)  # Not counted: files get cached.
        rows = []
        for concurrency in settings.concurrency:
            rows.append(measure(sandbox, settings.compare, concurrency, settings.turn, settings.seed))
            if not settings.json:
                show(rows[-1])
    if settings.json:
        print(json.dumps({"machine": facts, "rows": rows}, indent=2))
    if any(row["differences"] for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
