"""Compare the nano model behind a server with the embedded engine, on the same held-out problems.

    python -m benchmarks.served http://localhost:8000/v1
    python -m benchmarks.served http://localhost:8000/v1 --limit 40 --json

Start the server on this machine with the folder models/nano/base, whose tokenizer and prompt format are then used. Both
solve each problem once, without interventions. They sample with different random numbers, so the comparison is
paired: `difference` is the server's accuracy minus the embedded engine's with its 95 % interval, and `p` the
probability of a split as uneven as this one among the problems that only one of them solved (an exact sign test).
"""

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import closing

from benchmarks.common import run_concurrently
from storm_calm.agents.evaluation.intervals import mean_difference, mean_share
from storm_calm.agents.reasoners import open_reasoner
from storm_calm.env import Problem, Reasoner, SolverEnv, run_episode, score
from storm_calm.env.problems.families import generate
from storm_calm.sandbox import Sandbox, open_sandbox


def solve(reasoner: Reasoner, problems: Sequence[Problem], sandbox: Sandbox, *, workers: int, seed: int) -> list[bool]:
    """Return for each problem whether its answer is correct."""

    def right(problem: Problem) -> bool:
        episode = run_episode(SolverEnv(sandbox, reasoner), reasoner, problem, seed=seed)
        return score(episode).reason == "correct"

    return run_concurrently(right, problems, workers)[0]


def sign_test(served: Sequence[bool], embedded: Sequence[bool]) -> float:
    """Return the two-sided p of an exact sign test on the problems that only one of them solved."""
    from scipy.stats import binomtest

    better = sum(one and not other for one, other in zip(served, embedded, strict=True))
    worse = sum(other and not one for one, other in zip(served, embedded, strict=True))
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="the server of the nano base model, up to /v1")
    parser.add_argument("--limit", type=int, default=200, help="problems (default: 200)")
    parser.add_argument("--seed", type=int, default=7, help="seed of problems and sampling (default: 7)")
    parser.add_argument("--workers", type=int, default=8, help="problems at once (default: 8)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    arguments = parser.parse_args()
    problems = list(generate(["all"], split="heldout", seed=arguments.seed, limit=arguments.limit))
    results, seconds = {}, {}
    with (
        open_sandbox() as sandbox,
        closing(open_reasoner("nano-base")) as embedded,
        closing(open_reasoner(arguments.url)) as served,
    ):
        served.sampling = embedded.sampling
        for name, reasoner in (("embedded", embedded), ("served", served)):
            started = time.monotonic()
            results[name] = solve(reasoner, problems, sandbox, workers=arguments.workers, seed=arguments.seed)
            seconds[name] = round(time.monotonic() - started, 1)
    difference = mean_difference(
        [float(one) - float(other) for one, other in zip(results["served"], results["embedded"], strict=True)]
    )
    figures: dict[str, object] = {"problems": len(problems)}
    for name, right in results.items():
        share = mean_share([float(one) for one in right])
        figures |= {f"{name}_right": sum(right), f"{name}_interval": [round(share.low, 3), round(share.high, 3)]}
        figures[f"{name}_seconds"] = seconds[name]
    figures |= {
        "difference": round(difference.mean, 3),
        "difference_interval": [round(difference.low, 3), round(difference.high, 3)],
        "p": round(sign_test(results["served"], results["embedded"]), 3),
    }
    print(json.dumps(figures) if arguments.json else "\n".join(f"{key:22} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
