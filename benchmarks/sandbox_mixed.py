"""Run 24 kinds of solver program in the sandbox and in fresh Python processes; compare rates and answers.

    python -m benchmarks.sandbox_mixed
    python -m benchmarks.sandbox_mixed --compare 504 --concurrency 8 2 --json

"sandbox" is `open_sandbox()` at the best isolation level of this machine. "fresh" is a `python main.py` for each
program, without isolation and with one thread for linear algebra. Both run the same programs (`benchmarks.snippets`)
at the same concurrency. They alternate, so that other load on the machine slows both. If the machine is busy, CPU time
is the fairer measure. Rates are medians over the turns.

Each answer of the sandbox is compared with that of the fresh process. A different answer or a failed program makes the
exit code 1. Memory is `Private_Dirty` in the smaps_rollup of a program's process at its end, which includes pages
copied from the fork server. It is read in separate runs that do not count for the rates.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from benchmarks.common import cpu_seconds, format_facts, machine, run_concurrently
from benchmarks.snippets import KINDS, answer, mixed, run_fresh
from storm_calm.sandbox import Execution, Limits, Sandbox, open_sandbox

Programs = list[tuple[str, str]]
_PRIVATE = """
import re
print("PRIVATE", int(re.search(r"Private_Dirty:\\s+(\\d+)", open("/proc/self/smaps_rollup").read())[1]) / 1024)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """Results of some programs, in the sandbox and in fresh processes."""

    programs: Programs
    executions: list[Execution]
    waited_ms: list[float]
    """Wall time of each call; with many callers, most of it is queueing."""
    fresh_ms: list[float]
    fresh_answers: list[str | None]
    sandbox_rate: float
    """Programs per second."""
    fresh_rate: float
    sandbox_processor_ms: float
    """CPU time per program, including the work of the sandbox."""
    fresh_processor_ms: float


def take_turn(sandbox: Sandbox, programs: Programs, concurrency: int) -> Turn:
    """Run the programs in the sandbox, then in fresh processes."""

    def timed(item: tuple[str, str]) -> tuple[Execution, float]:
        begin = time.perf_counter()
        execution = sandbox.run(item[1])
        return execution, 1000 * (time.perf_counter() - begin)

    cpu = [cpu_seconds()]
    ours, our_seconds = run_concurrently(timed, programs, concurrency)
    cpu.append(cpu_seconds())
    fresh, fresh_seconds = run_concurrently(lambda item: run_fresh(item[1]), programs, concurrency)
    cpu.append(cpu_seconds())
    return Turn(
        programs=programs,
        executions=[execution for execution, _ in ours],
        waited_ms=[ms for _, ms in ours],
        fresh_ms=[1000 * run.seconds for run in fresh],
        fresh_answers=[answer(run.stdout) if run.exit_code == 0 else None for run in fresh],
        sandbox_rate=len(programs) / our_seconds,
        fresh_rate=len(programs) / fresh_seconds,
        sandbox_processor_ms=1000 * (cpu[1] - cpu[0]) / len(programs),
        fresh_processor_ms=1000 * (cpu[2] - cpu[1]) / len(programs),
    )


def differences(turn: Turn) -> list[dict[str, Any]]:
    """Return the programs whose answer is missing or differs from that of the fresh process."""
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
    """Return the private memory of programs of each kind at their end, in MiB."""
    found = defaultdict(list)
    for kind, code in mixed(3 * len(KINDS), seed):
        stdout = sandbox.run(code + _PRIVATE).stdout
        found[kind] += [float(line.split()[1]) for line in stdout.splitlines() if line.startswith("PRIVATE ")]
    return found


def by_kind(turns: list[Turn], memory: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Return for each kind the median times in ms, and the median and largest private memory in MiB."""
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
    """Return all figures for one concurrency."""
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
    print(f"\n{row['compared']} programs of {len(row['kinds'])} kinds, {row['concurrency']} callers")
    print(
        f"  sandbox {row['sandbox_per_second']:.1f}/s, fresh {row['fresh_per_second']:.1f}/s: ratio {row['times']:.1f}"
    )
    print(
        f"  CPU time per program: sandbox {row['sandbox_processor_ms']:.0f} ms, fresh "
        f"{row['fresh_processor_ms']:.0f} ms: ratio {row['fresh_processor_ms'] / row['sandbox_processor_ms']:.1f}"
    )
    print(f"  private memory per program: median {row['memory_mb']:.1f} MiB, largest {row['worst_memory_mb']:.1f} MiB")
    print(f"  {'kind':18} {'waited ms':>10} {'ran ms':>8} {'fresh ms':>9} {'MiB':>6} {'max':>6}")
    for kind, figures in row["kinds"].items():
        print(
            f"  {kind:18} {figures['waited_ms']:10.1f} {figures['ran_ms']:8.1f} {figures['fresh_ms']:9.1f} "
            f"{figures['memory_mb']:6.1f} {figures['worst_memory_mb']:6.1f}"
        )
    print(f"  {row['compared'] - len(row['differences'])} of {row['compared']} answers equal those of a fresh process")
    for found in row["differences"][:20]:
        print(
            f"  DIFFERS {found['kind']}: {found['sandbox']!r}, fresh {found['fresh']!r}; status {found['status']}, "
            f"signal {found['signal']}, {found['stderr'].strip()[-160:]!r}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--compare", type=int, default=240, help="programs to run in each of the two ways (default: 240)"
    )
    parser.add_argument("--concurrency", type=int, nargs="+", default=[8], help="concurrent callers (default: 8)")
    parser.add_argument("--turn", type=int, default=48, help="programs before switching to the other way (default: 48)")
    parser.add_argument("--workers", type=int, help="workers of the sandbox (default: chosen by the sandbox)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the programs (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    settings = parser.parse_args()
    if min(settings.compare, settings.turn, *settings.concurrency) < 1:
        parser.error("--compare, --turn and --concurrency must be at least 1")
    with open_sandbox(workers=settings.workers, limits=Limits(seconds=60)) as sandbox:
        facts = {**machine(), "isolation": sandbox.isolation, "workers": sandbox.workers}
        if not settings.json:
            print(format_facts(facts), flush=True)
        take_turn(sandbox, mixed(len(KINDS), settings.seed + 1), concurrency=2)  # Not counted: fills the file cache.
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
