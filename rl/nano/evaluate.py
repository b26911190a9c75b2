"""What the nano model can do by itself: right answers and flaws by family, without an intervener."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from storm_calm.agents.triggers import findings
from storm_calm.env.problem import Problem
from storm_calm.env.reasoner import Reasoner, Sampling
from storm_calm.env.reward import score
from storm_calm.env.solve_loop import run_episode
from storm_calm.env.solver_env import SolverEnv
from storm_calm.sandbox import Sandbox


def evaluate(
    reasoner: Reasoner,
    sandbox: Sandbox,
    problems: Sequence[Problem],
    *,
    sampling: Sampling,
    seed: int = 0,
    workers: int = 2,
) -> dict[str, object]:
    """Share of right answers, by family too, and what the rules find.

    Returns {"problems", "correct", "by_family": {name: share}, "by_difficulty": {difficulty: share}, "triggers": {name:
    count}, "stops": {reason: count}}.
    """

    def one(problem: Problem) -> tuple[Problem, bool, str | None, str]:
        episode = run_episode(SolverEnv(sandbox, reasoner), reasoner, problem, seed=seed, sampling=sampling)
        found = findings(episode)
        return problem, score(episode).reward == 1.0, found[0].trigger if found else None, str(episode.stop)

    with ThreadPoolExecutor(workers) as pool:
        rows = list(pool.map(one, problems))
    by: dict[str, dict[str, list[bool]]] = {"family": defaultdict(list), "difficulty": defaultdict(list)}
    for problem, correct, _, _ in rows:
        by["family"][problem.family].append(correct)
        by["difficulty"][problem.difficulty].append(correct)
    return {
        "problems": len(rows),
        "correct": sum(correct for _, correct, _, _ in rows) / len(rows),
        **{
            f"by_{key}": {name: sum(found) / len(found) for name, found in groups.items()} for key, groups in by.items()
        },
        "triggers": dict(Counter(trigger for _, _, trigger, _ in rows if trigger).most_common()),
        "stops": dict(Counter(stop for _, _, _, stop in rows).most_common()),
    }
