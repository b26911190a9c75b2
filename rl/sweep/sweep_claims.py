"""Judge claims about thresholds from a sweep, by fixed rules on paired differences with 95 % intervals.

Harm: the interval of the difference to the reference is below 0. A gain matters from `MARGIN` on.

threshold   holds if the largest value beyond it harms and no value within it does; does not hold if a value within it
            harms, or if no value beyond it can cost as much as `MARGIN`
enough      holds if no other value can gain as much as `MARGIN`; does not hold if one gains that much, and its
            interval excludes 0

Everything else is inconclusive, as is every claim of a sweep that is too small.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from storm_calm.agents.evaluation.intervals import Interval
from storm_calm.rl.reproduce.paired_differences import contrast
from storm_calm.rl.reproduce.paper_claims import FEW_PROBLEMS
from storm_calm.rl.sweep.sweep_results import PointResult, SweepResults

ClaimVerdict = Literal["holds", "does not hold", "inconclusive", "not measured"]

MARGIN = 0.05
"""The least change of accuracy that matters, as in `rl.reproduce.paper_claims`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepClaim:
    name: str
    source: str
    """The origin of the claim."""
    study: str
    """The study that measures it."""
    reference: str
    """The point that others are compared with; "" if it is not evaluated."""
    measured: str
    """The differences to the reference, in points with 95 % intervals."""
    verdict: ClaimVerdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A claim, and how it is judged. Exactly one of `threshold` and `enough` is given."""

    name: str
    source: str
    study: str
    stage: str = "SFT"
    """The series of the study."""
    reference: str = ""
    """The model that others are compared with; "" for the reference of the stage."""
    threshold: tuple[float, float] | None = None
    """The largest value within the threshold, and the smallest beyond it."""
    enough: str = ""
    """The points that could gain more: "larger" than the reference's value, or all "others"."""


RULES = (
    Rule(
        name="Hints over 15 to 20 % of tokens harm",
        source="break condition of lightweight hints; the paper has under 2.6 %",
        study="hints",
        # The longer hints are in the same trajectories, so nothing else differs.
        reference="sft-hints-all",
        threshold=(15, 20),
    ),
    Rule(
        name="A loss on the text before hints does no harm",
        source="the paper trains on whole golden trajectories",
        study="before_hints",
        reference="sft-hints-all",
        enough="others",
    ),
    Rule(
        name="Over 10 to 15 % flawed trajectories in the SFT data harm",
        source="break condition of two-stage training; the paper filters all flaws",
        study="flawed",
        threshold=(10, 20),
    ),
    Rule(
        name="GRPO ends lower after such SFT data",
        source="break condition of two-stage training: a lower ceiling of RL",
        study="flawed",
        stage="SFT + GRPO",
        threshold=(10, 20),
    ),
    Rule(
        name="112 golden trajectories are enough for SFT",
        source="the paper trains on 112",
        study="golden",
        enough="larger",
    ),
    Rule(
        name="4 rollouts per problem are enough at equal rollouts per step",
        source="not stated in the paper",
        study="rollouts",
        stage="SFT + GRPO",
        enough="larger",
    ),
    Rule(
        name="4 programs per rollout are enough",
        source="the paper's T = 4",
        study="executions",
        stage="SFT + GRPO",
        enough="larger",
    ),
    Rule(
        name="A reward for correctness alone is enough",
        source="the paper's binary reward",
        study="rewards",
        stage="SFT + GRPO",
        enough="others",
    ),
)


def is_small(results: SweepResults) -> bool:
    """Return whether the sweep is too small for any conclusion."""
    return results.request.quick or results.request.config.heldout < FEW_PROBLEMS


def judge_claims(results: SweepResults) -> tuple[SweepClaim, ...]:
    """Judge every claim whose study is part of the sweep."""
    found = []
    for rule in RULES:
        if rule.study not in results.request.studies:
            continue
        reference, measured, verdict = _judge(rule, results)
        if verdict != "not measured" and is_small(results):
            verdict = "inconclusive"
        found.append(
            SweepClaim(
                name=rule.name,
                source=rule.source,
                study=rule.study,
                reference=reference,
                measured=measured,
                verdict=verdict,
            )
        )
    return tuple(found)


def difference(results: SweepResults, model: str, reference: str, difficulty: str = "all") -> Interval | None:
    """Return the accuracy of a model minus that of the reference, paired over problems; None if not measured."""
    if model not in results.right or reference not in results.right:
        return None
    weights = ((-1.0, results.right[reference]), (1.0, results.right[model]))
    return contrast("right", weights, results.problems[difficulty])


def _judge(rule: Rule, results: SweepResults) -> tuple[str, str, ClaimVerdict]:
    """Return the label of the reference, the measured differences in words, and the verdict."""
    series = next(one.series for one in results.studies if one.study.name == rule.study)
    reference = rule.reference or results.reference(rule.stage)
    points = series.get(rule.stage, ())
    own = next((point for point in points if point.model == reference), None)
    if own is None:
        return "", "", "not measured"
    compared = [point for point in points if point is not own and _concerns(rule, point, own.value)]
    known = [(point, change) for point in compared if (change := difference(results, point.model, reference))]
    if not known:
        return own.label if own.evaluated else "", "", "not measured"
    words = "; ".join(f"{point.label}: {points_text(change)}" for point, change in known)
    if len(known) < len(compared):
        return own.label, words, "inconclusive"
    verdict = _threshold(rule.threshold, known) if rule.threshold else _enough([change for _, change in known])
    return own.label, words, verdict


def _concerns(rule: Rule, point: PointResult, own: float) -> bool:
    if rule.reference:
        return point.value > own
    return rule.enough != "larger" or point.value > own


def _threshold(threshold: tuple[float, float], known: Sequence[tuple[PointResult, Interval]]) -> ClaimVerdict:
    within = [change for point, change in known if point.value <= threshold[0]]
    beyond = [change for point, change in known if point.value >= threshold[1]]
    if not beyond:
        return "inconclusive"
    if any(change.high < 0 for change in within) or all(change.low > -MARGIN for change in beyond):
        return "does not hold"
    return "holds" if beyond[-1].high < 0 else "inconclusive"


def _enough(changes: Sequence[Interval]) -> ClaimVerdict:
    if all(change.high < MARGIN for change in changes):
        return "holds"
    return "does not hold" if any(one.low > 0 and one.mean >= MARGIN for one in changes) else "inconclusive"


def points_text(change: Interval) -> str:
    """Return a difference in points with its interval, such as "-3.3 (-6.2 to -0.8)"."""
    return f"{100 * change.mean:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f})"
