"""Whether an episode's answer is right, under a named rule.

    score(episode).reward                     # the problem's own rule
    score(episode, rule="sirl").reward

The rule alone moves published scores by several points, so a score always says which one it used. Under every rule
"infeasible" and "unbounded" match only themselves, and any of a problem's accepted answers is right. Below, p is the
answer and a the accepted one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from storm_calm.env.answers import Answer, read_answer
from storm_calm.env.episode import Episode
from storm_calm.env.problem import AnswerKey

Reason = Literal["correct", "wrong_answer", "no_answer", "budget", "length", "malformed", "infrastructure"]
"""Why a score is what it is. no_answer: the box holds nothing that can be read; the last four are stop reasons."""

Rule = Callable[[float, float], bool]
"""Whether the answer (first) is as good as the accepted one (second)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """The verdict on an episode."""

    reward: float | None
    """1.0 where the answer is right, 0.0 where it is not; None where the sandbox failed, which is nobody's mistake."""
    answer: Answer | None
    """The answer that was read; None where there is none."""
    reason: Reason
    """Why."""
    rule: str
    """The rule that was used."""


def score(episode: Episode, rule: str | None = None) -> Score:
    """Score a finished episode.

    rule: a name in `RULES`, instead of the problem's own.
    Raises ValueError for an unknown rule, for an episode that is not over, and for a problem without accepted answers.
    """
    name = episode.problem.rule if rule is None else rule
    if name not in RULES:
        raise ValueError(f"rule {name!r} is none of {', '.join(RULES)}")
    if episode.stop is None:
        raise ValueError(f"problem {episode.problem.id!r}: the episode is not over, so it has no score yet")
    if not episode.problem.answers:
        raise ValueError(f"problem {episode.problem.id!r}: no accepted answer is known, so it cannot be scored")
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
    """Whether `answer` is as good as `accepted`: the same status, or numbers that `rule` takes for equal."""
    if isinstance(accepted, str) or answer.value is None:
        return answer.status == accepted
    return rule(answer.value, accepted)


def paper(p: float, a: float) -> bool:
    """|p - a| <= 1e-4 |a|, and |p| <= 1e-4 where a = 0.

    The relative error of arXiv 2510.04204, which publishes neither its bound nor what it does at 0: both are ours.
    """
    return abs(p - a) <= 1e-4 * abs(a) if a else abs(p) <= 1e-4


def sirl(p: float, a: float) -> bool:
    """|p - a| / (|a| + 1) <= 1e-6, as SIRL and OptiMind have it."""
    return abs(p - a) / (abs(a) + 1) <= 1e-6


def orlm(p: float, a: float) -> bool:
    """Both rounded to whole numbers, then |p - a| / |a| <= 0.05, and |p| <= 0.05 where a = 0; ORLM, OptMATH, OR-R1."""
    p, a = round(p), round(a)
    return abs((p - a) / a) <= 0.05 if a else abs(p) <= 0.05


def mamo(p: float, a: float) -> bool:
    """|p - a| < 10^-d with d the decimals of a, at least 2; or |p - a| / |a| <= 1e-4 where a is not 0. Mamo's."""
    exponent = Decimal(repr(float(a))).normalize().as_tuple().exponent
    decimals = max(2, -exponent if isinstance(exponent, int) else 0)
    return abs(p - a) < 10.0**-decimals or (a != 0 and abs((p - a) / a) <= 1e-4)


RULES: dict[str, Rule] = {"paper": paper, "sirl": sirl, "orlm": orlm, "mamo": mamo}
"""The rules by name."""
