"""The reward of a rollout: 1 for a correct answer, else 0, and optional components with weights of 0 by default.

    settings = RewardSettings.of(config.storm.reward, response_length=768)
    reward = compute_reward(episode, score(episode), check, findings, settings)
    reward.total, reward.correct, reward.length

With the weights w of `storm.reward` and correct in {0, 1} the total is

- correct (1 + w_plan passed + w_solver backed) + w_format formed - w_length excess - w_process min(findings, 5)

`excess` is 0 up to `soft_limit` model tokens, 1 from `response_length` on, and linear between them: the soft overlong
punishment of DAPO (arXiv 2503.14476, eq. 13). Only correct answers earn `plan` and `solver`. The other weights are
limited so that every correct answer earns at least `MARGIN` more than every wrong one:

    w_format + w_length + 5 w_process <= 1 - MARGIN
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from storm_calm.agents.verdict import backed_by_report
from storm_calm.env import Episode, Finding, Score
from storm_calm.env.answers import last_boxed
from storm_calm.env.plans.checks import Check
from storm_calm.sandbox.syntax_tree import parse

MAX_FINDINGS = 5
"""Findings that `process` counts, so that the reward is bounded: N of arXiv 2510.04204, the most interventions."""
MARGIN = 0.1
"""The least difference between the rewards of a correct and a wrong answer."""
SOFT_SHARE = 0.8
"""The default soft limit as a share of the response length, as in DAPO: 16,384 of 20,480 tokens."""
THINK, THINK_END = "<think>", "</think>"
_MARK = re.compile(r"</?think>")


@dataclass(frozen=True, kw_only=True, slots=True)
class RewardSettings:
    """The weights of the optional components, each at least 0, and the limits of `length`."""

    plan: float = 0.0
    """A bonus for a correct answer whose recorded plan passes its check (`agents.verdict.check_answer`)."""
    solver: float = 0.0
    """A bonus for a correct answer that a solver report supports (`agents.verdict.backed_by_report`)."""
    format: float = 0.0
    """A bonus for a readable answer after well-formed thoughts and programs, also for a wrong one."""
    length: float = 0.0
    """The largest penalty for many model tokens."""
    process: float = 0.0
    """A penalty for each finding of the rules of the seven triggers, of at most `MAX_FINDINGS`."""
    soft_limit: int = 0
    """Model tokens without a penalty."""
    response_length: int = 1
    """Model tokens from which on `length` is the full penalty."""

    def __post_init__(self) -> None:
        for name in WEIGHTS:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ValueError(f"storm.reward.{name} is {value!r}; give a weight from 0 to 1")
        limit = self.soft_limit
        if isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit < self.response_length:
            raise ValueError(
                f"storm.reward.soft_limit is {limit!r}; give fewer tokens than "
                f"data.max_response_length={self.response_length}, or null for {SOFT_SHARE:.0%} of it"
            )
        taken = self.format + self.length + MAX_FINDINGS * self.process
        if taken > 1 - MARGIN + 1e-9:
            raise ValueError(
                f"storm.reward: format + length + {MAX_FINDINGS} * process is {taken:g}; make it at most "
                f"{1 - MARGIN:g}, so that a wrong answer never earns more than a correct one"
            )

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, response_length: int) -> Self:
        """Return the settings of `storm.reward` in a configuration.

        response_length: `data.max_response_length`. Raises ValueError for an invalid setting, naming it.
        """
        values = dict(settings)
        known = (*WEIGHTS, "soft_limit")
        unknown = [name for name in values if name not in known]
        if unknown:
            raise ValueError(f"unknown setting storm.reward.{unknown[0]}; give one of {', '.join(known)}")
        if values.get("soft_limit") is None:
            values["soft_limit"] = math.floor(SOFT_SHARE * response_length)
        return cls(**values, response_length=response_length)


WEIGHTS = ("plan", "solver", "format", "length", "process")
"""The settings that are weights."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reward:
    """The components of a rollout's reward, each with its weight and sign."""

    correct: float
    """1 for a correct answer, else 0: the reward of `env.score`."""
    plan: float = 0.0
    solver: float = 0.0
    format: float = 0.0
    length: float = 0.0
    """At most 0, as is `process`."""
    process: float = 0.0

    @property
    def total(self) -> float:
        """The sum, which the trainer receives."""
        return sum(getattr(self, one.name) for one in fields(self))

    def to_dict(self) -> dict[str, float]:
        """Return the components and their sum as JSON data, always with the same keys."""
        return {**asdict(self), "total": self.total}


REWARD_NAMES = (*(one.name for one in fields(Reward)), "total")
"""The keys of `Reward.to_dict`."""


def compute_reward(
    episode: Episode, scored: Score, check: Check | None, findings: Sequence[Finding], settings: RewardSettings
) -> Reward:
    """Return the reward of a finished episode.

    check: that of the plan behind a correct answer, None without. findings: those of `agents.triggers`; both are needed
    only for a component with a weight. Raises ValueError if the episode has no score: a failure of the sandbox or of a
    checker is never a reward.
    """
    if scored.reward is None:
        raise ValueError(f"problem {episode.problem.id!r}: no reward, since it has no score ({scored.reason})")
    right = scored.reward == 1.0
    passed = right and check is not None and check.outcome == "passed"
    backed = right and settings.solver > 0 and backed_by_report(episode)
    formed = settings.format > 0 and scored.answer is not None and well_formed(episode)
    return Reward(
        correct=scored.reward,
        plan=settings.plan * passed,
        solver=settings.solver * backed,
        format=settings.format * formed,
        length=0.0 - settings.length * excess(episode.usage.model_tokens, settings),
        process=0.0 - settings.process * min(len(findings), MAX_FINDINGS),
    )


def excess(tokens: int, settings: RewardSettings) -> float:
    """Return the excess over the soft limit, from 0 up to it to 1 at the response length (DAPO, arXiv 2503.14476)."""
    share = (tokens - settings.soft_limit) / (settings.response_length - settings.soft_limit)
    return min(1.0, max(0.0, share))


def well_formed(episode: Episode) -> bool:
    """Return whether all thoughts are closed before the box of the answer, and every program is Python.

    A program that fails is well-formed. A model without thoughts has nothing to close.
    """
    thinking = False
    for span in episode.transcript.spans:
        if span.source in ("prompt", "tool"):
            # A question or an output may contain marks; only one at the end opens a thought.
            thinking = thinking or span.text.rstrip().endswith(THINK)
            continue
        for mark in _MARK.findall(span.text):
            if thinking == (mark == THINK):
                return False
            thinking = mark == THINK
    if thinking or last_boxed(episode.transcript.model_text.rpartition(THINK_END)[2]) is None:
        return False
    return all(run.status != "malformed_call" and parse(run.code) is not None for run in episode.executions)
