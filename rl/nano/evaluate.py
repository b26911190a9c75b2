"""Evaluate the nano model without an intervener: accuracy and flaws."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean

from storm_calm.agents.triggers import findings
from storm_calm.env.episode import Episode
from storm_calm.env.problem import Problem
from storm_calm.env.reasoner import Reasoner, Sampling
from storm_calm.env.reward import score
from storm_calm.env.solve_loop import run_episode
from storm_calm.env.solver_env import SolverEnv
from storm_calm.sandbox import Sandbox


def evaluate(
    reasoner: Reasoner, sandbox: Sandbox, problems: Sequence[Problem], *, sampling: Sampling
) -> dict[str, object]:
    """Return the share of correct answers, the triggers of first findings, and the stop reasons.

    Returns {"problems", "correct", "by_family": {name: share}, "by_difficulty": {difficulty: share}, "triggers": {name:
    count}, "stops": {reason: count}}.
    """

    def play(problem: Problem) -> Episode:
        return run_episode(SolverEnv(sandbox, reasoner), reasoner, problem, seed=0, sampling=sampling)

    with ThreadPoolExecutor(2) as pool:
        episodes = list(pool.map(play, problems))
    correct = [score(episode).reward == 1.0 for episode in episodes]
    by_family: dict[str, list[bool]] = defaultdict(list)
    by_difficulty: dict[str, list[bool]] = defaultdict(list)
    for problem, right in zip(problems, correct, strict=True):
        by_family[problem.family].append(right)
        by_difficulty[problem.difficulty].append(right)
    first_findings = [found[0] for found in map(findings, episodes) if found]
    return {
        "problems": len(problems),
        "correct": fmean(correct),
        "by_family": {name: fmean(group) for name, group in by_family.items()},
        "by_difficulty": {name: fmean(group) for name, group in by_difficulty.items()},
        "triggers": dict(Counter(finding.trigger for finding in first_findings).most_common()),
        "stops": dict(Counter(str(episode.stop) for episode in episodes).most_common()),
    }
