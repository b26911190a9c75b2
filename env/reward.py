"""Score an episode's answer under a named rule.

    score(episode).reward                     # the problem's own rule
    score(episode, rule="sirl").reward

The rule alone changes published scores by several points, so every score names its rule. Under every rule "infeasible"
and "unbounded" match only themselves, and any of a problem's accepted answers is correct. Below, p is the answer and a
the accepted answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from storm_calm.env.answers import Answer, read_answer
from storm_calm.env.episode import Episode
from storm_calm.env.problem import AnswerKey

Reason = Literal[
    "correct", "wrong_answer", "no_answer", "failed_check", "budget", "length", "context", "repetition", "malformed",
    "infrastructure",
]  # fmt: skip
"""The reason of a score. no_answer: the box cannot be read. failed_check: the answer is right, but the plan behind it
fails its check; only callers that check plans set it, `score` does not. The last six are stop reasons."""

Rule = Callable[[float, float], bool]
"""Compares the answer (first) to the accepted answer (second)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """The score of an episode."""

    reward: float | None
    """1.0 for a correct answer, 0.0 otherwise; None if the sandbox failed, which is not the model's fault."""
    answer: Answer | None
    """The answer that was read, if any."""
    reason: Reason
    rule: str
    """Name of the rule."""


def score(episode: Episode, rule: str | None = None) -> Score:
    """Score a finished episode.

    rule: a name in `RULES`, instead of the problem's own.
    Raises ValueError for an unknown rule, an unfinished episode, or a problem without accepted answers.
    """
    name = episode.problem.rule if rule is None else rule
    if name not in RULES:
        raise ValueError(f"rule {name!r} must be one of {', '.join(RULES)}")
    if episode.stop is None:
        raise ValueError(f"problem {episode.problem.id!r}: the episode is not finished, so it cannot be scored")
    if not episode.problem.answers:
        raise ValueError(f"problem {episode.problem.id!r}: it has no accepted answers, so it cannot be scored")
    if episode.stop == "infrastructure":
        return Score(reward=None, answer=None, reason="infrastructure", rule=name)
    if episode.stop != "answer":
        return Score(reward=0.0, answer=None, reason=episode.stop, rule=name)
    answer = read_answer(episode.transcript)
    if answer is None:
        return Score(reward=0.0, answer=None, reason="no_answer", rule=name)
    if any(matches(answer, accepted, RULES[name]) for accepted in episode.problem.answers):
        return Score(reward=1.0, answer=answer, reason="correct", rule=name)
    return Score(reward=0.0, answer=answer, reason="wrong_answer", rule=name)


def matches(answer: Answer, accepted: AnswerKey, rule: Rule) -> bool:
    """Return whether both have the same status, or numbers that are equal under `rule`."""
    if isinstance(accepted, str) or answer.value is None:
        return answer.status == accepted
    return rule(answer.value, accepted)


def paper(p: float, a: float) -> bool:
    """Test |p - a| <= 1e-4 |a|, or |p| <= 1e-4 if a = 0.

    The relative error is that of arXiv 2510.04204; its bound and the case a = 0 are not published, both are ours.
    """
    return abs(p - a) <= 1e-4 * abs(a) if a else abs(p) <= 1e-4


def sirl(p: float, a: float) -> bool:
    """Test |p - a| / (|a| + 1) <= 1e-6, as SIRL and OptiMind do."""
    return abs(p - a) / (abs(a) + 1) <= 1e-6


def orlm(p: float, a: float) -> bool:
    """Round both, then test |p - a| / |a| <= 0.05, or |p| <= 0.05 if a = 0, as ORLM, OptMATH and OR-R1 do."""
    p, a = round(p), round(a)
    return abs((p - a) / a) <= 0.05 if a else abs(p) <= 0.05


def mamo(p: float, a: float) -> bool:
    """Test |p - a| < 10^-d, d the decimals of a, at least 2, or |p - a| / |a| <= 1e-4 if a is not 0, as Mamo does."""
    exponent = Decimal(repr(float(a))).normalize().as_tuple().exponent
    decimals = max(2, -exponent if isinstance(exponent, int) else 0)
    return abs(p - a) < 10.0**-decimals or (a != 0 and abs((p - a) / a) <= 1e-4)


RULES: dict[str, Rule] = {"paper": paper, "sirl": sirl, "orlm": orlm, "mamo": mamo}
