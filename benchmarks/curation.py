"""The main job, timed: 200 held-out problems through the native run and through CALM, with the nano model.

    python -m benchmarks.curation
    python -m benchmarks.curation --limit 40 --runs 1 --json

Each run is the command itself, in a process of its own and a fresh folder; figures are medians over the runs. The
baseline beside it is the same problems run natively one after another, without machine, threads or interventions.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from storm_calm.agents.reasoners import open_reasoner
from storm_calm.env import SolverEnv, run_episode
from storm_calm.env.problems.families import generate
from storm_calm.sandbox import open_sandbox


def curated(limit: int, seed: int) -> tuple[float, dict[str, object]]:
    """Seconds of one `storm curate`, start to end, and its summary."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from storm_calm.cli.start import main; main()", "curate", "--families", "all"]
        command += ["--split", "heldout", "--limit", str(limit), "--seed", str(seed), "--reasoner", "nano-base"]
        command += ["--out", str(Path(folder) / "run"), "--json", "--display", "none"]
        started = time.monotonic()
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        return time.monotonic() - started, json.loads(result.stdout)


def native(limit: int, seed: int) -> float:
    """Seconds of the native runs alone, one after another."""
    reasoner = open_reasoner("nano-base")
    problems = list(generate(["all"], split="heldout", seed=seed, limit=limit))
    with open_sandbox() as sandbox:
        started = time.monotonic()
        for problem in problems:
            run_episode(SolverEnv(sandbox, reasoner), reasoner, problem, seed=seed)
        return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=200, help="problems (default 200)")
    parser.add_argument("--seed", type=int, default=7, help="seed (default 7)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each, in turn (default 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    arguments = parser.parse_args()
    pairs = [
        (curated(arguments.limit, arguments.seed), native(arguments.limit, arguments.seed))
        for _ in range(arguments.runs)
    ]
    summaries = [summary for (_, summary), _ in pairs]
    figures = {
        "problems": arguments.limit,
        "curate_seconds": statistics.median(seconds for (seconds, _), _ in pairs),
        "native_alone_seconds": statistics.median(seconds for _, seconds in pairs),
        "same_result": len({json.dumps({**s, "seconds": 0}, sort_keys=True) for s in summaries}) == 1,
        **{key: summaries[0][key] for key in ("native_correct", "final_correct", "golden", "hint_token_share_mean")},
    }
    print(json.dumps(figures) if arguments.json else "\n".join(f"{key:22} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
