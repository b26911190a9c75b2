"""Measure the peak memory of `storm curate` or `storm eval` on small and large runs.

    python -m benchmarks.run_memory --problems 200 1000
    python -m benchmarks.run_memory --problems 2000 20000 --command eval

The reasoner is scripted (`replay`), and each trajectory runs one small program. `--parts-from` is the number of records
from which a run has compressed parts and its problems are in a file, so that small runs show what large ones take. Each
run is a process of its own. "finish" is the same command on the finished run: it reads all records once. The last line
divides the differences between the first and the last run by their problems.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.common import format_facts, machine
from benchmarks.ray_curation import write_problems

PROGRAM = """import json, resource, sys, time
from storm_calm.agents.runs import record_store, stored_problems
from storm_calm.cli.main import app
record_store.PARTS_FROM = stored_problems.IN_MEMORY = int(sys.argv.pop(1))
start = time.perf_counter()
code = app(sys.argv[1:], standalone_mode=False)
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"code": code, "seconds": time.perf_counter() - start, "mib": usage.ru_maxrss / 1024}))
"""


def measure(arguments: list[str], parts_from: int) -> dict[str, Any]:
    """Run a command in a process of its own. Return its seconds and its peak memory without the sandbox."""
    command = [sys.executable, "-c", PROGRAM, str(parts_from), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, nargs="+", default=[200, 1000], help="numbers of problems")
    parser.add_argument("--command", choices=("curate", "eval"), default="curate")
    parser.add_argument("--parts-from", type=int, default=100, help="records from which a run has parts")
    args = parser.parse_args()
    table = Table("problems", "run, MiB", "run, s", "finish, MiB", "finish, s", box=MARKDOWN)
    peaks: dict[int, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in args.problems:
            inside = Path(folder) / str(count)
            inside.mkdir()
            write_problems(inside, count)
            common = ["--reasoner", f"replay:{inside / 'references'}", "--minimum-isolation", "limits"]
            given = ["--problems", str(inside / "problems.jsonl"), "--out", str(inside / "run"), *common]
            run = measure([args.command, *given], args.parts_from)
            finish = measure([args.command, *given, "--resume"], args.parts_from)
            peaks[count] = run["mib"], finish["mib"]
            table.add_row(str(count), *(f"{one[key]:.1f}" for one in (run, finish) for key in ("mib", "seconds")))
    console = Console(width=120)
    console.print(format_facts(machine()))
    console.print(table)
    first, last = args.problems[0], args.problems[-1]
    if first != last:
        each = [(peaks[last][step] - peaks[first][step]) * 1024 / (last - first) for step in (0, 1)]
        console.print(f"for each problem more: {each[0]:.2f} KiB in the run, {each[1]:.2f} KiB to finish it again")


if __name__ == "__main__":
    main()
