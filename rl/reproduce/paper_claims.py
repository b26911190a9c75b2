"""Compare the paper's claims (arXiv 2510.04204) with the measured figures.

If a claim differs, the other figures may suggest a likely reason. Without such evidence no reason is given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from storm_calm.agents.evaluation.intervals import Interval
from storm_calm.env import TRIGGER_CLASS
from storm_calm.rl.reproduce.measured_figures import Figures, known_mean
from storm_calm.rl.reproduce.paired_differences import contrast

Verdict = Literal["agrees", "differs", "inconclusive", "not measured"]
"""inconclusive: the interval of the difference contains 0, or the run is too small."""

LITTLE = 0.05
"""Largest change of accuracy that counts as little; in the paper SFT changes it by 0.016."""
FEW_PROBLEMS = 100
"""Below this number of held-out problems everything is inconclusive: intervals are wider than 20 points."""
FEW_STEPS = 20
"""Below this number of GRPO steps everything is inconclusive."""
CEILING = 0.9
"""Accuracy above which most groups of 8 rollouts are all correct, and give no gradient."""

Measured = tuple[str, Verdict, str]
"""What was measured, the verdict, and the likely reason of a difference or ""."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    name: str
    paper: str
    """The paper's figures."""
    measured: str
    """Our figures."""
    verdict: Verdict
    reason: str
    """The likely reason of a difference, if the figures suggest one; else ""."""


def is_small(figures: Figures) -> bool:
    """Return whether the run is too small for any conclusion."""
    problems = max(model.accuracy["all"].problems for model in figures.models.values())
    return problems < FEW_PROBLEMS or figures.settings.get("steps", FEW_STEPS) < FEW_STEPS


def claims(figures: Figures) -> tuple[Claim, ...]:
    """Compare every claim with the figures."""
    found, small = [], is_small(figures)
    for name, paper, models, measure in CLAIMS:
        if all(model in figures.models for model in models):
            measured, verdict, reason = measure(figures)
            verdict = "inconclusive" if small else verdict
            reason = "" if small or verdict == "agrees" else reason
        else:
            measured, verdict, reason = "", "not measured", ""
        found.append(Claim(name=name, paper=paper, measured=measured, verdict=verdict, reason=reason))
    return tuple(found)


def _verdict(*, agrees: bool, differs: bool) -> Verdict:
    return "agrees" if agrees else "differs" if differs else "inconclusive"


def _sft_changes_little(figures: Figures) -> Measured:
    change = _gain(figures, "base", "sft")
    before, after = _behaviour(figures, "flawed", "base", "sft")
    reason = ""
    if change.low > LITTLE and figures.curation and after < before / 2:
        native, golden, count = _curated(figures)
        reason = (
            "the base model's flaws are sampled at known rates next to correct behaviour, so "
            f"{count} golden trajectories per seed are enough to unlearn them: hints turned {_percent(native)} correct "
            f"into {_percent(golden)} golden, and SFT reduced flawed trajectories from {_percent(before)} to "
            f"{_percent(after)}"
        )
    elif change.high < -LITTLE:
        reason = "SFT harmed the model: see the doctor's check of the complex problems"
    differs = change.low > LITTLE or change.high < -LITTLE
    verdict = _verdict(agrees=not differs and abs(change.mean) <= LITTLE, differs=differs)
    return f"{_accuracy(figures, 'base', 'sft')} ({_points(change)})", verdict, reason


def _grpo_climbs(figures: Figures) -> Measured:
    change = _gain(figures, "sft", "grpo")
    start = figures.models["sft"].accuracy["all"].mean
    alike = known_mean(curve.mean("zero_variance_groups") for curve in figures.curves.get("grpo", ()))
    reason = ""
    if start >= CEILING:
        reason = f"after SFT only {_percent(1 - start)} of answers are wrong" + (
            f", and in {_percent(alike)} of groups all rollouts have the same reward" if alike is not None else ""
        )
    elif alike is not None and alike >= 0.5:
        reason = f"in {_percent(alike)} of groups all rollouts have the same reward, which gives no gradient"
    elif change.mean > 0:
        reason = "the increase is within the variation between problems; use more steps or seeds"
    verdict = _verdict(agrees=change.low > 0, differs=change.high < 0)
    return f"{_accuracy(figures, 'sft', 'grpo')} ({_points(change)})", verdict, reason


def _class_1(figures: Figures) -> Measured:
    measured, verdict = _mostly(figures, "class_1", sft=True)
    base, sft, grpo = _behaviour(figures, "class_1", "base", "sft", "grpo")
    reason = "SFT left most of them, and the reward penalizes them: an answer by hand is usually wrong"
    return measured, verdict, reason if sft - grpo > base - sft else ""


def _class_2(figures: Figures) -> Measured:
    measured, verdict = _mostly(figures, "class_2", sft=False)
    base, sft, grpo = _behaviour(figures, "class_2", "base", "sft", "grpo")
    hints = {"code_utilization_distrust": 0, "lack_of_or_expertise": 0}
    for summary in figures.curation.values():
        for trigger, count in summary["by_trigger"].items():
            hints[TRIGGER_CLASS[trigger]] += count
    reason = ""
    if base - sft > sft - grpo and hints["lack_of_or_expertise"]:
        share = hints["lack_of_or_expertise"] / sum(hints.values())
        reason = (
            f"hints repair both classes in golden trajectories ({_percent(share)} of them the second), and with only "
            "twelve families a correct model is as much a habit as using code"
        )
    return measured, verdict, reason


def _mostly(figures: Figures, flaws: str, *, sft: bool) -> tuple[str, Verdict]:
    """Return whether a class of flaws falls more during SFT (`sft`), or during GRPO, than during the other."""
    base, trained, grpo = _behaviour(figures, flaws, "base", "sft", "grpo")
    measured = f"{_percent(base)} -> {_percent(trained)} -> {_percent(grpo)} of trajectories"
    runs = figures.runs
    # The fall during SFT minus the fall during GRPO.
    difference = contrast(flaws, ((1, runs["base"]), (-2, runs["sft"]), (1, runs["grpo"])))
    if difference is None or difference.low <= 0 <= difference.high:
        return measured, "inconclusive"
    falls = (base - trained if sft else trained - grpo) > 0
    return measured, "agrees" if falls and (difference.low > 0) == sft else "differs"


def _base_climbs_less(figures: Figures) -> Measured:
    change = _gain(figures, "grpo-base", "grpo")
    without, after_sft = _share(figures, "grpo-base"), _share(figures, "grpo")
    rise = _gain(figures, "base", "grpo-base").mean
    reason = (
        f"the reward alone gained {100 * rise:.1f} points: the base model's flaws are sampled, so every group has "
        "flawed and flawless rollouts of a problem, and GRPO can learn from the first step on"
    )
    verdict = _verdict(agrees=change.low > 0, differs=change.high < 0)
    measured = f"ends at {without} without SFT, at {after_sft} with it ({_points(change)})"
    return measured, verdict, reason if rise > 0.1 else ""


def _plain_degrades(figures: Figures) -> Measured:
    change = _gain(figures, "base", "plain-sft", "complex")
    easy = _gain(figures, "base", "plain-sft", "easy")
    measured = f"complex {_accuracy(figures, 'base', 'plain-sft', 'complex')} ({_points(change)}), easy {_points(easy)}"
    if "sft" in figures.models:
        golden = _gain(figures, "base", "sft", "complex")
        measured += f"; golden trajectories of the same problems: complex {_points(golden)}"
    before, after = _behaviour(figures, "flawed", "base", "plain-sft")
    (length,) = _behaviour(figures, "model_tokens", "base")
    reason = (
        "plain pairs have no flaws either, so they unlearn flaws as golden trajectories do "
        f"({_percent(before)} of trajectories flawed before, {_percent(after)} after), and the base model writes only "
        f"{length:.0f} tokens per problem: there is little reasoning to lose"
    )
    verdict = _verdict(agrees=change.high < 0, differs=change.low > 0)
    return measured, verdict, reason if after < before / 2 else ""


def _shift(figures: Figures) -> Measured:
    blocks, tokens = (_behaviour(figures, name, "base", "grpo") for name in ("code_blocks", "model_tokens"))
    measured = (
        f"programs {blocks[0]:.2f} -> {blocks[1]:.2f} per trajectory ({_change(*blocks)}), "
        f"tokens {tokens[0]:.0f} -> {tokens[1]:.0f} ({_change(*tokens)})"
    )
    weights = ((-1, figures.runs["base"]), (1, figures.runs["grpo"]))
    more, longer = contrast("code_blocks", weights), contrast("model_tokens", weights)
    if more is None or longer is None:
        return measured, "inconclusive", ""
    reason = "a flawed trajectory of this model is short: it guesses instead of writing a program, which takes longer"
    verdict = _verdict(agrees=more.low > 0 and longer.high < 0, differs=more.high < 0 or longer.low > 0)
    return measured, verdict, reason if more.low > 0 and longer.low > 0 else ""


BY_STAGE = "its counts of flaws by stage"
CLAIMS: tuple[tuple[str, str, tuple[str, ...], Callable[[Figures], Measured]], ...] = (
    ("SFT alone changes accuracy little", "57.1 % -> 58.7 % (+1.6 points)", ("base", "sft"), _sft_changes_little),
    ("GRPO on top of SFT climbs", "58.7 % -> 68.9 % (+10.2 points)", ("sft", "grpo"), _grpo_climbs),
    ("GRPO without SFT climbs less", "far slower (its figure 7)", ("base", "grpo", "grpo-base"), _base_climbs_less),
    ("Distrust of code (class 1) falls mainly with SFT", BY_STAGE, ("base", "sft", "grpo"), _class_1),
    ("Modelling flaws (class 2) fall mainly with GRPO", BY_STAGE, ("base", "sft", "grpo"), _class_2),
    ("More programs, fewer tokens", "programs +40 to 60 %, tokens -25 % (its figure 7)", ("base", "grpo"), _shift),
    (
        "SFT on plain pairs harms complex problems",
        "OptMATH 33.1 % -> 6.6 %, while MAMO-Easy gains 14.9 points",
        ("base", "plain-sft"),
        _plain_degrades,
    ),
)
"""Name, the paper's figures, the models needed, and how it is measured."""


def _gain(figures: Figures, before: str, after: str, difficulty: str = "all") -> Interval:
    """Return the change of accuracy; unknown as long as the two models have no seed in common."""
    weights = ((-1, figures.runs[before]), (1, figures.runs[after]))
    return contrast("right", weights, figures.problems[difficulty]) or Interval(mean=0.0, low=-1.0, high=1.0)


def _share(figures: Figures, model: str, difficulty: str = "all") -> str:
    found = figures.models[model].accuracy.get(difficulty)
    return "?" if found is None else _percent(found.mean)


def _accuracy(figures: Figures, before: str, after: str, difficulty: str = "all") -> str:
    return f"{_share(figures, before, difficulty)} -> {_share(figures, after, difficulty)}"


def _behaviour(figures: Figures, name: str, *models: str) -> tuple[Any, ...]:
    return tuple(figures.models[model].behaviour[name] for model in models)


def _curated(figures: Figures) -> tuple[float, float, int]:
    """Return the shares of curated problems that are correct without hints and golden, and golden ones per seed."""
    summaries = figures.curation.values()
    problems, native, golden = (
        sum(one[name] for one in summaries) for name in ("problems", "native_correct", "golden")
    )
    return native / max(1, problems), golden / max(1, problems), round(golden / max(1, len(summaries)))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(change: Interval) -> str:
    return f"{100 * change.mean:+.1f} points, {100 * change.low:+.1f} to {100 * change.high:+.1f}"


def _change(before: float, after: float) -> str:
    return f"{after / before - 1:+.0%}" if before else "from none"
