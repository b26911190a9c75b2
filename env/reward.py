"""Score an episode's answer under a named rule.

    score(episode).reward                     # the problem's own rule
    score(episode, rule="sirl").reward

The rule alone changes published scores by several points, so every score names its rule. Under every rule "infeasible"
and "unbounded" match only themselves, and any of a problem's accepted answers is correct. Below, p is the answer and a
the accepted answer.

If the problem has a checker, the checked plan counts instead of a rule: it must be feasible, its gap within the
problem's tolerance, and the answer must be its objective value.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from storm_calm.env.answers import Answer, read_answer
from storm_calm.env.episode import Episode
from storm_calm.env.problem import AnswerKey, Problem

Reason = Literal[
    "correct", "wrong_answer", "no_answer", "no_output", "infeasible_plan", "suboptimal_plan", "failed_check",
    "checker", "budget", "length", "context", "repetition", "malformed", "infrastructure",
]  # fmt: skip
"""The reason of a score.

no_answer: the box cannot be read. no_output: an output is missing or does not fit its schema. infeasible_plan,
suboptimal_plan: as the problem's checker says. failed_check: the answer is right, but the recorded solve behind it
fails its check; only callers that check solves set it, `score` does not. checker: the problem's checker failed, which
is no fault of the model. The last six are stop reasons.
"""

Rule = Callable[[float, float], bool]
"""Compares the answer (first) to the accepted answer (second)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """The score of an episode."""

    reward: float | None
    """1.0 for a correct answer, 0.0 otherwise; None if the sandbox or the checker failed, no fault of the model."""
    answer: Answer | None
    """The answer that was read, if any."""
    reason: Reason
    rule: str
    """Name of the rule."""
    feasible: bool | None = None
    """Whether the plan is feasible; None if none was checked."""
    objective: float | None = None
    """The plan's objective value; None if none was checked, or without an objective."""
    gap: float | None = None
    """|objective - best| / max(1, |best|) of a feasible plan, best being the best known objective value; or None."""
    violations: tuple[str, ...] = ()
    """What is wrong with the outputs, in words; or the fault of the checker."""


def score(episode: Episode, rule: str | None = None) -> Score:
    """Score a finished episode.

    rule: a name in `RULES`, instead of the problem's own.
    Raises ValueError for an unknown rule, an unfinished episode, or a problem without accepted answers
    and checker.
    """
    name = episode.problem.rule if rule is None else rule
    if name not in RULES:
        raise ValueError(f"rule {name!r} must be one of {', '.join(RULES)}")
    if episode.stop is None:
        raise ValueError(f"problem {episode.problem.id!r}: the episode is not finished, so it cannot be scored")
    if not scorable(episode.problem):
        raise ValueError(f"problem {episode.problem.id!r}: it has no accepted answers, so it cannot be scored")
    if episode.stop == "infrastructure":
        return Score(reward=None, answer=None, reason="infrastructure", rule=name)
    if episode.stop != "answer":
        return Score(reward=0.0, answer=None, reason=episode.stop, rule=name)
    answer = read_answer(episode.transcript)
    if episode.problem.outputs and (answer is None or answer.status == "number"):
        return _plan_score(episode, answer, name)
    if answer is None:
        return Score(reward=0.0, answer=None, reason="no_answer", rule=name)
    if any(matches(answer, accepted, RULES[name]) for accepted in episode.problem.answers):
        return Score(reward=1.0, answer=answer, reason="correct", rule=name)
    return Score(reward=0.0, answer=answer, reason="wrong_answer", rule=name)


def scorable(problem: Problem) -> bool:
    """Return whether answers to the problem can be scored."""
    return bool(problem.answers) or problem.checker is not None


def _plan_score(episode: Episode, answer: Answer | None, rule: str) -> Score:
    """Score an answer with outputs."""
    problem, check = episode.problem, episode.output_check
    if check is None or check.fault:
        fault = "the outputs were not checked" if check is None else check.fault
        return Score(reward=None, answer=answer, reason="checker", rule=rule, violations=(fault,))
    if check.missing:
        return Score(reward=0.0, answer=answer, reason="no_output", rule=rule, violations=check.missing)
    accepted = [one for one in problem.answers if not isinstance(one, str)]
    best = check.best if check.best is not None else accepted[0] if accepted else None
    gap = None
    if check.feasible and check.objective is not None and best is not None:
        gap = abs(check.objective - best) / max(1.0, abs(best))
    reason: Reason = "correct"
    if check.feasible is False:
        reason = "infeasible_plan"
    elif problem.answers and answer is None:
        reason = "no_answer"
    elif gap is not None and gap > problem.tolerance:
        reason = "suboptimal_plan"
    elif problem.answers and answer is not None and not _fits(answer, check.objective, problem, RULES[rule]):
        reason = "wrong_answer"
    return Score(
        reward=float(reason == "correct"), answer=answer, reason=reason, rule=rule,
        feasible=check.feasible, objective=check.objective, gap=gap, violations=check.violations,
    )  # fmt: skip


def _fits(answer: Answer, objective: float | None, problem: Problem, rule: Rule) -> bool:
    """Return whether the answer is the plan's objective value or, without one, an accepted answer."""
    if objective is None or answer.value is None:
        return any(matches(answer, accepted, rule) for accepted in problem.answers)
    return abs(answer.value - objective) <= problem.tolerance * max(1.0, abs(objective))


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


def or_space(p: float, a: float) -> bool:
    """Test |p - a| / max(1, |a|) <= 0.01, as OR-Space does."""
    return abs(p - a) / max(1.0, abs(a)) <= 0.01


RULES: dict[str, Rule] = {"paper": paper, "sirl": sirl, "orlm": orlm, "mamo": mamo, "or_space": or_space}
