"""Measure the served agent with and without the guard: accuracy, time, tokens, and what the hints change.

    python -m benchmarks.guard
    python -m benchmarks.guard --limit 40 --seeds 1 --json

Each problem is solved twice with the same seed: alone, and with the rules watching. The verdict is then compared with
the accepted answer: how often it warns about wrong answers, and about right ones.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence

from storm_calm.agents.interveners.guard import Guard
from storm_calm.agents.reasoners import open_reasoner
from storm_calm.agents.verdict import verdict
from storm_calm.env import Problem, Reasoner, SolverEnv, run_episode, score
from storm_calm.env.problems.families import generate
from storm_calm.sandbox import Sandbox, open_sandbox


def measure(
    problems: Sequence[Problem], seeds: Sequence[int], reasoner: Reasoner, sandbox: Sandbox
) -> dict[str, float]:
    """Solve each problem with each seed, alone and with the guard, and return counts, seconds and tokens."""
    counts: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    guard = Guard()
    for problem in problems:
        for seed in seeds:
            right: dict[str, bool] = {}
            for name, watch in (("alone", None), ("guarded", guard.intervene)):
                started = time.perf_counter()
                episode = run_episode(SolverEnv(sandbox, reasoner), reasoner, problem, seed=seed, watch=watch)
                seconds[name] += time.perf_counter() - started
                right[name] = score(episode).reward == 1
                judged = verdict(episode)
                warned = bool(judged.warnings) or judged.backing == "no_answer"
                counts[f"{name}_right"] += right[name]
                counts[f"{name}_wrong_warned"] += warned and not right[name]
                counts[f"{name}_right_warned"] += warned and right[name]
                counts[f"{name}_tokens"] += episode.usage.model_tokens
                removed = sum(len(one.removed) for one in episode.interventions)
                counts[f"{name}_removed_characters"] += removed
                counts[f"{name}_hints"] += len(episode.interventions)
            counts["trajectories"] += 1
            counts["wrong_made_right"] += right["guarded"] and not right["alone"]
            counts["right_made_wrong"] += right["alone"] and not right["guarded"]
    return {**counts, **{f"{name}_seconds": round(value, 2) for name, value in seconds.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reasoner", default="nano", help="the model (default: nano)")
    parser.add_argument("--limit", type=int, default=200, help="held-out problems (default: 200)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the problems (default: 7)")
    parser.add_argument("--seeds", type=int, default=3, help="attempts per problem (default: 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    arguments = parser.parse_args()
    problems = list(generate(["all"], split="heldout", seed=arguments.seed, limit=arguments.limit))
    reasoner = open_reasoner(arguments.reasoner)
    with open_sandbox() as sandbox:
        figures = measure(problems, range(arguments.seeds), reasoner, sandbox)
    print(json.dumps(figures) if arguments.json else "\n".join(f"{key:28} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
