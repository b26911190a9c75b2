"""The metrics of rollouts and steps, and the rollouts that are kept.

Agent loops and the trainer run in different processes, and share files in the run folder:

    rollouts/step-000010.jsonl      rollouts of every tenth step, `agents.runs.rollout_record`
    failures.jsonl                  sandbox failures, for the error message that ends training
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from storm_calm.agents.runs.rollout_record import Rollout, RolloutRecord, rollout_to_json, step_file
from storm_calm.agents.verdict import backed_by_report
from storm_calm.env import Episode, Score, StopReason
from storm_calm.env.jsonl import append_line, read_jsonl
from storm_calm.rl.rollout.rewards import REWARD_NAMES, Reward

FAILURES = "failures.jsonl"
SOLVED = ("optimal", "feasible", "infeasible", "unbounded", "error", "limit")
"""Solve statuses of `sandbox.SolverReport`."""


def rollout_figures(episode: Episode, scored: Score, reward: Reward) -> dict[str, float]:
    """Return the figures of one rollout, always with the same keys, as veRL requires."""
    executions = episode.executions
    solves: list[str] = [report.status for execution in executions for report in execution.reports]
    right = scored.reason == "correct"
    return {
        "correct": float(right),
        "backed": float(right and backed_by_report(episode)),
        "code_blocks": float(sum(span.source == "model" and "```" in span.text for span in episode.transcript.spans)),
        "executions": float(len(executions)),
        "failed_executions": float(sum(execution.status != "ok" for execution in executions)),
        "model_tokens": float(episode.usage.model_tokens),
        "execution_seconds": episode.usage.execution_seconds,
        **{f"stop_{reason}": float(episode.stop == reason) for reason in get_args(StopReason)},
        **{f"solver_{status}": float(solves.count(status)) for status in SOLVED},
        **{f"reward_{name}": value for name, value in reward.to_dict().items()},
    }


def step_metrics(rollouts: Sequence[Mapping[str, float]], groups: Sequence[str]) -> dict[str, float]:
    """Return the metrics of a step, with the prefix "storm/", from the `rollout_figures` of its rollouts.

    groups: the group of each rollout.
    """
    if not rollouts:
        return {}

    def total(name: str) -> float:
        return sum(rollout[name] for rollout in rollouts)

    count, executions, right = len(rollouts), total("executions"), total("correct")
    solves = sum(total(f"solver_{status}") for status in SOLVED)
    rewards: dict[str, list[float]] = {}
    for rollout, group in zip(rollouts, groups, strict=True):
        rewards.setdefault(group, []).append(rollout["reward_total"])
    found = {
        "accuracy": right / count,
        "code_blocks": total("code_blocks") / count,
        "executions": executions / count,
        "failed_executions": total("failed_executions") / executions if executions else 0.0,
        "model_tokens": total("model_tokens") / count,
        "zero_variance_groups": sum(len(set(group)) == 1 for group in rewards.values()) / len(rewards),
        **{f"stop/{reason}": total(f"stop_{reason}") / count for reason in get_args(StopReason)},
        **{f"solver/{status}": total(f"solver_{status}") / max(solves, 1.0) for status in SOLVED},
        **{f"reward/{name}": total(f"reward_{name}") / count for name in REWARD_NAMES},
    }
    if right:
        found["backed"] = total("backed") / right
    return {f"storm/{name}": value for name, value in found.items()}


def covered_seconds(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of time spans (start, end)."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def save_rollout(
    settings: Mapping[str, Any],
    row: Mapping[str, Any],
    episode: Episode,
    scored: Score,
    reward: Reward,
    received: Rollout,
) -> None:
    """Append the rollout to the file of its step, if `settings` keep this step. received: what the trainer gets."""
    step, every = int(row.get("global_steps", 0)), int(settings["keep_rollouts"])
    if not every or step % every or bool(row.get("validate", False)):
        return
    record = RolloutRecord(
        step=step,
        # Without veRL's id of the prompt, rollouts of a problem in a step are a group.
        group=str(row.get("uid", episode.problem.id)),
        session=int(row.get("session_id", 0)),
        score=scored,
        reward=reward.to_dict(),
        rollout=received,
        episode=episode,
    )
    file = step_file(Path(settings["out"]), step)
    file.parent.mkdir(parents=True, exist_ok=True)
    append_line(file, rollout_to_json(record), shared=True)


def record_failure(settings: Mapping[str, Any], reason: str) -> None:
    """Append a sandbox failure to the run folder."""
    file = Path(settings["out"]) / FAILURES
    file.parent.mkdir(parents=True, exist_ok=True)
    append_line(file, {"at": time.time(), "reason": reason}, shared=True)


def last_failure(out: Path) -> str:
    """Return the last sandbox failure, or ""."""
    reasons = [line["reason"] for _, line in read_jsonl(out / FAILURES, dict, growing=True)]
    return str(reasons[-1]) if reasons else ""
