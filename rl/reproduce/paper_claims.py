"""What the paper says (arXiv 2510.04204), against what was measured here. Whatever came out is said as it came out.

Where it differs, the likely reason is worked out from the other figures; where no figure tells one, none is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from storm_calm.agents.evaluation.intervals import Interval
from storm_calm.env import TRIGGER_CLASS
from storm_calm.rl.reproduce.measured_figures import Figures, known_mean
from storm_calm.rl.reproduce.paired_differences import contrast

Verdict = Literal["agrees", "differs", "inconclusive", "not measured"]
"""inconclusive: the interval of the difference has 0 in it, or there is too little of everything."""

LITTLE = 0.05
"""A change of accuracy up to which SFT changes little; in the paper it is 0.016."""
FEW_PROBLEMS = 100
"""Held-out problems below which everything is inconclusive: intervals are wider than 20 points."""
FEW_STEPS = 20
"""GRPO steps below which a curve is inconclusive."""
CEILING = 0.9
"""Accuracy from which on a group of 8 rollouts is mostly right throughout, and teaches nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One claim of the paper."""

    name: str
    """A few words."""
    paper: str
    """What the paper reports."""
    measured: str
    """What came out here."""
    verdict: Verdict
    """Whether it is the same."""
    reason: str
    """The likely reason where it differs, as far as the figures tell one; else ""."""


def is_small(figures: Figures) -> bool:
    """Whether this is too little to show anything."""
    problems = max(model.accuracy["all"].problems for model in figures.models.values())
    return problems < FEW_PROBLEMS or figures.settings.get("steps", FEW_STEPS) < FEW_STEPS


def claims(figures: Figures) -> tuple[Claim, ...]:
    """Every claim, in the order of the paper."""
    return tuple(_claims(figures))


def _claims(figures: Figures) -> Iterator[Claim]:
    for name, paper, wanted, measure in CLAIMS:
        if any(model not in figures.models for model in wanted):
            yield Claim(name=name, paper=paper, measured="", verdict="not measured", reason="")
            continue
        measured, verdict, reason = measure(figures)
        if is_small(figures):
            verdict, reason = "inconclusive", ""
        yield Claim(
            name=name, paper=paper, measured=measured, verdict=verdict, reason=reason if verdict != "agrees" else ""
        )


Measured = tuple[str, Verdict, str]


def _sft_changes_little(figures: Figures) -> Measured:
    change = _gain(figures, "base", "sft")
    measured = f"{_accuracy(figures, 'base', 'sft')} ({_points(change)})"
    if change.low > LITTLE:
        before, after = _behaviour(figures, "flawed", "base", "sft")
        if figures.curation and after < before / 2:
            native, golden, count = _curated(figures)
            reason = (
                "the base model's flaws are drawn at known rates and stand beside right habits, so that "
                f"{count} golden runs a seed are enough to unlearn them: hints turned {_percent(native)} right into "
                f"{_percent(golden)} golden, and after SFT {_percent(after)} of runs are flawed instead of "
                f"{_percent(before)}"
            )
            return measured, "differs", reason
        return measured, "differs", ""
    if change.high < -LITTLE:
        return measured, "differs", "SFT harmed the model: see what the doctor says of the complex problems"
    return measured, "agrees" if abs(change.mean) <= LITTLE else "inconclusive", ""


def _grpo_climbs(figures: Figures) -> Measured:
    change = _gain(figures, "sft", "grpo")
    measured = f"{_accuracy(figures, 'sft', 'grpo')} ({_points(change)})"
    if change.low > 0:
        return measured, "agrees", ""
    verdict: Verdict = "differs" if change.high < 0 else "inconclusive"
    start = figures.models["sft"].accuracy["all"].mean
    alike = _curve_mean(figures, "grpo", "zero_variance_groups")
    if start >= CEILING:
        reason = f"after SFT only {_percent(1 - start)} of answers are left to mend" + (
            f", and in {_percent(alike)} of groups all rollouts have the same reward" if alike is not None else ""
        )
        return measured, verdict, reason
    if alike is not None and alike >= 0.5:
        reason = f"in {_percent(alike)} of groups all rollouts have the same reward, which teaches nothing"
        return measured, verdict, reason
    if change.mean > 0:
        reason = "the rise is within what other problems of the same kind could undo; more steps or seeds"
        return measured, verdict, reason
    return measured, verdict, ""


def _class_1(figures: Figures) -> Measured:
    measured, verdict = _mostly(figures, "class_1", first=True)
    base, sft, grpo = _behaviour(figures, "class_1", "base", "sft", "grpo")
    if sft - grpo > base - sft:
        return measured, verdict, "SFT left most of them, and the reward sees them: an answer by hand is mostly wrong"
    return measured, verdict, ""


def _class_2(figures: Figures) -> Measured:
    measured, verdict = _mostly(figures, "class_2", first=False)
    base, sft, grpo = _behaviour(figures, "class_2", "base", "sft", "grpo")
    hints = {"code_utilization_distrust": 0, "lack_of_or_expertise": 0}
    for one in figures.curation.values():
        for trigger, count in one["by_trigger"].items():
            hints[TRIGGER_CLASS[trigger]] += count
    if base - sft > sft - grpo and hints["lack_of_or_expertise"]:
        share = hints["lack_of_or_expertise"] / sum(hints.values())
        reason = (
            f"golden runs are mended of both classes ({_percent(share)} of the hints were for the second), and with "
            "twelve families a right model is as much a habit as the use of code is"
        )
        return measured, verdict, reason
    return measured, verdict, ""


def _mostly(figures: Figures, which: str, *, first: bool) -> tuple[str, Verdict]:
    """Whether a class of flaws falls more in SFT (`first`), or in GRPO after it, than in the other."""
    base, sft, grpo = _behaviour(figures, which, "base", "sft", "grpo")
    measured = f"{_percent(base)} -> {_percent(sft)} -> {_percent(grpo)} of runs"
    runs = figures.runs
    # How much more it falls in the first stage than in the second.
    found = contrast(which, ((1, runs["base"]), (-2, runs["sft"]), (1, runs["grpo"])))
    if found is None or found.low <= 0 <= found.high:
        return measured, "inconclusive"
    if (base - sft if first else sft - grpo) <= 0:
        return measured, "differs"
    return measured, "agrees" if (found.low > 0) == first else "differs"


def _base_climbs_less(figures: Figures) -> Measured:
    change = _gain(figures, "grpo-base", "grpo")
    measured = (
        f"ends at {_share(figures, 'grpo-base')} without SFT, at {_share(figures, 'grpo')} with it ({_points(change)})"
    )
    if change.low > 0:
        return measured, "agrees", ""
    verdict: Verdict = "differs" if change.high < 0 else "inconclusive"
    rise = _gain(figures, "base", "grpo-base").mean
    if rise > 0.1:
        reason = (
            f"the reward alone gained {100 * rise:.1f} points: the base model's flaws are drawn, so every group holds "
            "flawed and flawless rollouts of a problem, and GRPO can tell them apart from the first step on"
        )
        return measured, verdict, reason
    return measured, verdict, ""


def _plain_degrades(figures: Figures) -> Measured:
    change = _gain(figures, "base", "plain-sft", "complex")
    easy = _gain(figures, "base", "plain-sft", "easy")
    measured = f"complex {_accuracy(figures, 'base', 'plain-sft', 'complex')} ({_points(change)}), easy {_points(easy)}"
    if "sft" in figures.models:
        measured += f"; golden runs of the same problems: complex {_points(_gain(figures, 'base', 'sft', 'complex'))}"
    if change.high < 0:
        return measured, "agrees", ""
    verdict: Verdict = "differs" if change.low > 0 else "inconclusive"
    before, after = _behaviour(figures, "flawed", "base", "plain-sft")
    (length,) = _behaviour(figures, "model_tokens", "base")
    if after < before / 2:
        reason = (
            "plain pairs hold no flaw either, so they unlearn flaws as golden runs do "
            f"({_percent(before)} of runs flawed before, {_percent(after)} after), and a run of the base model has "
            f"{length:.0f} tokens: there is little thought in it that could be lost"
        )
        return measured, verdict, reason
    return measured, verdict, ""


def _shift(figures: Figures) -> Measured:
    blocks, tokens = (_behaviour(figures, name, "base", "grpo") for name in ("code_blocks", "model_tokens"))
    measured = (
        f"programs {blocks[0]:.2f} -> {blocks[1]:.2f} a run ({_change(*blocks)}), "
        f"tokens {tokens[0]:.0f} -> {tokens[1]:.0f} ({_change(*tokens)})"
    )
    weights = ((-1, figures.runs["base"]), (1, figures.runs["grpo"]))
    more, longer = contrast("code_blocks", weights), contrast("model_tokens", weights)
    if more is None or longer is None:
        return measured, "inconclusive", ""
    if more.low > 0 and longer.high < 0:
        return measured, "agrees", ""
    verdict: Verdict = "differs" if more.high < 0 or longer.low > 0 else "inconclusive"
    if more.low > 0 and longer.low > 0:
        reason = (
            "a flawed run of this model is a short one, which guesses instead of writing a program; the program takes "
            "more tokens than the guess"
        )
        return measured, verdict, reason
    return measured, verdict, ""


CLAIMS: tuple[tuple[str, str, tuple[str, ...], Callable[[Figures], Measured]], ...] = (
    (
        "SFT alone changes accuracy little",
        "57.1 % -> 58.7 % (+1.6 points)",
        ("base", "sft"),
        _sft_changes_little,
    ),
    (
        "GRPO on top of SFT climbs",
        "58.7 % -> 68.9 % (+10.2 points)",
        ("sft", "grpo"),
        _grpo_climbs,
    ),
    (
        "GRPO without SFT climbs less",
        "learns far more slowly (its figure 7)",
        ("base", "grpo", "grpo-base"),
        _base_climbs_less,
    ),
    (
        "Distrust of code (class 1) falls mainly with SFT",
        "so in its counts of flaws by stage",
        ("base", "sft", "grpo"),
        _class_1,
    ),
    (
        "Modelling flaws (class 2) fall mainly with GRPO",
        "so in its counts of flaws by stage",
        ("base", "sft", "grpo"),
        _class_2,
    ),
    (
        "More programs, fewer tokens",
        "programs +40 to 60 %, tokens -25 % (its figure 7)",
        ("base", "grpo"),
        _shift,
    ),
    (
        "SFT on plain pairs harms complex problems",
        "OptMATH 33.1 % -> 6.6 %, while MAMO-Easy gains 14.9 points",
        ("base", "plain-sft"),
        _plain_degrades,
    ),
)
"""Name, what the paper reports, the models that it takes, and how it is measured."""


def _gain(figures: Figures, before: str, after: str, difficulty: str = "all") -> Interval:
    """The two have no seed in common only while their stages are under way; then nothing is known."""
    weights = ((-1, figures.runs[before]), (1, figures.runs[after]))
    return contrast("right", weights, figures.problems[difficulty]) or Interval(mean=0.0, low=-1.0, high=1.0)


def _share(figures: Figures, model: str, difficulty: str = "all") -> str:
    found = figures.models[model].accuracy.get(difficulty)
    return "?" if found is None else _percent(found.mean)


def _accuracy(figures: Figures, before: str, after: str, difficulty: str = "all") -> str:
    return f"{_share(figures, before, difficulty)} -> {_share(figures, after, difficulty)}"


def _behaviour(figures: Figures, name: str, *models: str) -> tuple[Any, ...]:
    return tuple(figures.models[model].behaviour[name] for model in models)


def _curve_mean(figures: Figures, run: str, name: str) -> float | None:
    return known_mean(curve.mean(name) for curve in figures.curves.get(run, ()))


def _curated(figures: Figures) -> tuple[float, float, int]:
    """Shares of the curated problems, right natively and golden; golden runs of a seed."""
    totals = [sum(one[name] for one in figures.curation.values()) for name in ("problems", "native_correct", "golden")]
    problems = max(1, totals[0])
    return totals[1] / problems, totals[2] / problems, round(totals[2] / max(1, len(figures.curation)))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(change: Interval) -> str:
    return f"{100 * change.mean:+.1f} points, {100 * change.low:+.1f} to {100 * change.high:+.1f}"


def _change(before: float, after: float) -> str:
    return f"{after / before - 1:+.0%}" if before else "from none"
