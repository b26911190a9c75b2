"""How a signature is looked for in a run: the thresholds with their reasons, and a function for each kind of run.

A figure of a GRPO run is the mean over its last third, a rise or fall is against its first third: single steps are
noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, Literal

from storm_calm.rl.doctor.read_runs import CurationRun, EvaluationRun, ExaminedRuns, TrainingRun

State = Literal["ok", "warning", "problem", "not measured"]
"""How bad it is."""

COMPLEX_FALL = (0.02, 0.05)
"""Fall of pass@1 on the complex problems. The paper's SFT gains 1.6 points on average; training on solutions without
reflection lost 26.5 on OptMATH. A problem also has to lie below the baseline's interval, or it may be luck."""
FLAT = 0.02
"""Rise of the mean reward below which it is flat: two rollouts in a hundred."""
HIGH = 0.95
"""Mean reward of the first third from which on there is little left to learn."""
FEWEST_STEPS = 9
"""Steps of a run from which on its thirds say anything."""
COLLAPSED = 0.02
"""Entropy in nats a token below which a model writes the same run again and again."""
ALIKE = (0.5, 0.8)
"""Share of groups whose rewards are all equal. They have no gradient: at 0.8, four rollouts in five are wasted."""
LONGER = (1.10, 1.25)
"""Model tokens of a run against the baseline's. The paper's training made runs a quarter shorter."""
FAILING = (0.10, 0.25)
"""Programs that fail. One in ten is a model that learns; one in four is a model, or a sandbox, that can't."""
HINTS = (0.05, 0.15)
"""Hint tokens as a part of model and hint tokens. The paper has less than 0.026; from 0.05 on an intervention is no
longer light, and from 0.15 on harm to the reasoner's own patterns is to be expected."""
UNBACKED = (0.10, 0.30)
"""Share of answers that no solver report backs: luck, memory, arithmetic by hand, or a leak."""
LOST = (0.02, 0.10)
"""Share of runs that the sandbox failed. They have no reward, and heavy programs are the likeliest among them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What a measure found."""

    state: State
    """How bad it is."""
    figure: str
    """The figure; for "not measured", what is missing."""
    cause: str = ""
    """The likely cause, where the other figures of the run tell it; "" for the signature's own."""


Measure = Callable[[Any, ExaminedRuns], Observation]
"""Looks for a signature in one run; gets to see the others too."""


def complex_families(run: EvaluationRun, runs: ExaminedRuns) -> Observation:
    """Whether training took from the hard problems what it gave to the easy ones."""
    base = runs.baseline
    if base is None:
        return missing("an evaluation of the model before training, as --baseline")
    rules = run.results.get("rules")
    for rule in rules if isinstance(rules, Mapping) else ():
        path = ("by_difficulty", "complex", rule)
        before, now = base.number(*path, "mean"), run.number(*path, "mean")
        if before is None or now is None:
            continue
        low, fall = base.number(*path, "low"), before - now
        sure = low is None or now < low
        state = above(fall, COMPLEX_FALL)
        state = "warning" if state == "problem" and not sure else state
        return Observation(state=state, figure=f"pass@1 {before:.1%} -> {now:.1%} (rule {rule})")
    return missing("pass@1 of the complex problems in both evaluations, under one rule")


def reward_flat(run: TrainingRun, runs: ExaminedRuns) -> Observation:
    """Whether the reward goes up."""
    rewards = run.series("critic/rewards/mean") or run.series("critic/score/mean")
    if len(rewards) < FEWEST_STEPS:
        return missing(f"critic/rewards/mean of {FEWEST_STEPS} steps (there are {len(rewards)})")
    first, last = thirds(rewards)
    before, now = fmean(first), fmean(last)
    figure = f"mean reward {before:.3f} -> {now:.3f} over {len(rewards)} steps"
    if before >= HIGH and now >= HIGH:
        return Observation(state="ok", figure=figure)
    noise = math.sqrt(stdev(first) ** 2 / len(first) + stdev(last) ** 2 / len(last))
    rise = now - before
    state: State = "problem" if rise < FLAT else "warning" if rise < 2 * noise else "ok"
    return Observation(state=state, figure=figure, cause=_why_flat(run))


def _why_flat(run: TrainingRun) -> str:
    causes = (
        ("storm/zero_variance_groups", ALIKE[0], 1, "most groups have no variance, so there is nothing to learn from"),
        ("storm/failed_executions", FAILING[1], 1, "programs fail, so the reward says little about the models in them"),
        ("storm/infrastructure", LOST[1], 1, "the sandbox loses rollouts, and with them their rewards"),
        ("actor/entropy", COLLAPSED, -1, "the entropy has collapsed: all rollouts of a group are the same run"),
    )
    for metric, limit, sign, words in causes:
        values = run.series(metric)
        if values and sign * (fmean(thirds(values)[1]) - limit) > 0:
            return words
    return ""


def groups_alike(run: TrainingRun, runs: ExaminedRuns) -> Observation:
    """Whether groups have rollouts to tell apart."""
    shares, rewards = run.series("storm/zero_variance_groups"), run.series("critic/rewards/mean")
    if not shares:
        return missing("storm/zero_variance_groups in metrics.jsonl")
    share = fmean(thirds(shares)[1])
    cause = ""
    if rewards:
        reward = fmean(thirds(rewards)[1])
        easy = reward >= 0.5
        cause = f"the problems are too {'easy' if easy else 'hard'} for this model: its mean reward is {reward:.2f}"
    return Observation(state=above(share, ALIKE), figure=f"{share:.0%} of groups", cause=cause)


def longer_evaluation(run: EvaluationRun, runs: ExaminedRuns) -> Observation:
    """Whether runs grew against the baseline's."""
    if runs.baseline is None:
        return missing("an evaluation of the model before training, as --baseline")
    before, now = (one.number("behaviour", "model_tokens") for one in (runs.baseline, run))
    if not before or now is None:
        return missing("behaviour.model_tokens in both evaluations")
    blocks = [one.number("behaviour", "code_blocks") for one in (runs.baseline, run)]
    details = f"; code blocks {blocks[0]:.2f} -> {blocks[1]:.2f}" if None not in blocks else ""
    return Observation(state=above(now / before, LONGER), figure=f"{before:.0f} -> {now:.0f} tokens a run{details}")


def longer_training(run: TrainingRun, runs: ExaminedRuns) -> Observation:
    """Whether runs grew while training."""
    lengths = run.series("response_length/mean")
    if len(lengths) < FEWEST_STEPS:
        return missing(f"response_length/mean of {FEWEST_STEPS} steps (there are {len(lengths)})")
    before, now = (fmean(third) for third in thirds(lengths))
    return Observation(state=above(now / max(before, 1.0), LONGER), figure=f"{before:.0f} -> {now:.0f} tokens a run")


def failing_statuses(run: CurationRun | EvaluationRun, runs: ExaminedRuns) -> Observation:
    """Whether programs end well, by their statuses."""
    where = "episodes.jsonl" if isinstance(run, CurationRun) else "behaviour.execution_status"
    counts = run.executions if isinstance(run, CurationRun) else _mapping(run.results, "behaviour", "execution_status")
    total = sum(counts.values())
    if not total:
        return missing(f"executions in {where}")
    bad = {status: count / total for status, count in counts.items() if status != "ok" and count}
    details = ", ".join(f"{status} {part:.1%}" for status, part in sorted(bad.items(), key=lambda item: -item[1]))
    share = sum(bad.values())
    return Observation(
        state=above(share, FAILING), figure=f"{share:.1%} of programs{f' ({details})' if details else ''}"
    )


def failing_training(run: TrainingRun, runs: ExaminedRuns) -> Observation:
    """Whether programs end well, by the share that does not."""
    return _last_share(run, "storm/failed_executions", FAILING, "of programs")


def hints(run: CurationRun, runs: ExaminedRuns) -> Observation:
    """Whether interventions stayed light."""
    if not run.hint_shares:
        return missing("golden runs")
    mean, most = fmean(run.hint_shares), max(run.hint_shares)
    state = above(mean, HINTS)
    state = "warning" if state == "ok" and most > HINTS[1] else state
    return Observation(state=state, figure=f"{mean:.1%} of a golden run, {most:.1%} at most")


def unbacked_curation(run: CurationRun, runs: ExaminedRuns) -> Observation:
    """Whether golden answers come from solvers."""
    if not run.backed:
        return missing("golden runs")
    share = run.backed.count(False) / len(run.backed)
    return Observation(state=above(share, UNBACKED), figure=f"{share:.1%} of golden runs")


def unbacked_evaluation(run: EvaluationRun, runs: ExaminedRuns) -> Observation:
    """Whether answers come from solvers, as far as they are numbers."""
    backed = run.number("behaviour", "backed_by_report")
    if backed is None:
        return missing("behaviour.backed_by_report in results.json")
    return Observation(state=above(1 - backed, UNBACKED), figure=f"{1 - backed:.1%} of numbers answered")


def unbacked_training(run: TrainingRun, runs: ExaminedRuns) -> Observation:
    """Whether rewards come from solvers."""
    values = run.series("storm/backed")
    if not values:
        return missing("storm/backed in metrics.jsonl")
    share = 1 - fmean(thirds(values)[1])
    return Observation(state=above(share, UNBACKED), figure=f"{share:.1%} of right answers")


def lost_evaluation(run: EvaluationRun, runs: ExaminedRuns) -> Observation:
    """Whether the sandbox holds."""
    failed, scored = run.number("infrastructure"), run.number("scored")
    if failed is None or scored is None or not failed + scored:
        return missing("infrastructure and scored in results.json")
    share = failed / (failed + scored)
    return Observation(state=above(share, LOST), figure=f"{share:.1%} of runs")


def lost_training(run: TrainingRun, runs: ExaminedRuns) -> Observation:
    """Whether the sandbox holds."""
    return _last_share(run, "storm/infrastructure", LOST, "of rollouts")


def missing(what: str) -> Observation:
    """Nothing to measure. what: is needed for it."""
    return Observation(state="not measured", figure=f"needs {what}")


def above(value: float, limits: tuple[float, float]) -> State:
    """limits: from which value on it is a warning, and a problem."""
    return "problem" if value >= limits[1] else "warning" if value >= limits[0] else "ok"


def thirds(values: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """The first and the last third, of at least one value each."""
    size = max(1, len(values) // 3)
    return values[:size], values[-size:]


def _last_share(run: TrainingRun, metric: str, limits: tuple[float, float], of: str) -> Observation:
    values = run.series(metric)
    if not values:
        return missing(f"{metric} in metrics.jsonl")
    share = fmean(thirds(values)[1])
    return Observation(state=above(share, limits), figure=f"{share:.1%} {of}")


def _mapping(results: Mapping[str, Any], *path: str) -> Mapping[str, float]:
    value: Any = results
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    counts = value.items() if isinstance(value, Mapping) else ()
    return {name: count for name, count in counts if isinstance(count, (int, float))}
