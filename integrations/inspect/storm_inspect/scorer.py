"""The scorer: STORM's score of the episode, as Inspect's CORRECT or INCORRECT.

A fault of the sandbox or of a checker is no score, and metrics leave the sample out.
"""

import math
from collections.abc import Callable
from statistics import fmean
from typing import Any

from inspect_ai.scorer import (
    CORRECT,
    INCORRECT,
    Metric,
    SampleScore,
    Score,
    Scorer,
    Target,
    accuracy,
    metric,
    scorer,
    stderr,
)
from inspect_ai.solver import TaskState

from storm_calm.agents.verdict import verdict
from storm_calm.env import Episode, score
from storm_calm.sandbox import SandboxUnavailableError
from storm_inspect.episode_store import saved
from storm_inspect.final_answer import answered_episode
from storm_inspect.samples import problem_of


@metric
def backed() -> Metric:
    """The share of answers that a solver reported, among samples of `storm_agent`."""
    return _mean_of("backing", lambda backing: backing == "backed")


@metric
def executions() -> Metric:
    """The mean number of programs that ran, among samples of `storm_agent`."""
    return _mean_of("executions", float)


def _mean_of(key: str, number: Callable[[Any], float]) -> Metric:
    """Return a metric of the details that `to_score` recorded; NaN without any."""

    def compute(scores: list[SampleScore]) -> float:
        found = [one.score.metadata[key] for one in scores if one.score.metadata and key in one.score.metadata]
        return fmean(map(number, found)) if found else math.nan

    return compute


@scorer(metrics=[accuracy(), stderr(), backed(), executions()])
def storm_scorer() -> Scorer:
    """Score the episode of `storm_agent`, or the final answer of any other solver."""

    async def compute(state: TaskState, target: Target) -> Score:
        found = saved(state)
        if found is not None:
            return to_score(*found)
        try:
            episode = await answered_episode(problem_of(state.metadata), state)
        except SandboxUnavailableError as error:
            return Score.unscored(reason="sandbox_fault", explanation=str(error))
        return to_score(episode, "", own=False)

    return compute


def to_score(episode: Episode, fault: str, *, own: bool = True) -> Score:
    """Return the score of a finished episode. fault: the sandbox's error. own: whether `storm_agent` recorded it."""
    result = score(episode)
    answer = result.answer.text if result.answer else None
    explanation = "; ".join([f"{result.reason} ({result.rule})", *result.violations, *([fault] if fault else [])])
    details: dict[str, object] = {"reason": result.reason, "rule": result.rule}
    if result.feasible is not None:
        details |= {"feasible": result.feasible, "objective": result.objective, "gap": result.gap}
    if own:
        details |= {"backing": verdict(episode).backing, "executions": len(episode.executions)}
    if result.reward is None:
        reason = "sandbox_fault" if result.reason == "infrastructure" else "checker_fault"
        return Score.unscored(reason=reason, answer=answer, explanation=explanation, metadata=details)
    value = CORRECT if result.reward == 1.0 else INCORRECT
    return Score(value=value, answer=answer, explanation=explanation, metadata=details)
