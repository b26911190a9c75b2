"""The measurements of the signatures, and their thresholds.

A figure of a GRPO run is the mean over its last third, compared with its first third: single steps are too noisy.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any, Literal

from storm_calm.rl.doctor.read_runs import CurationRun, EvaluationRun, ExaminedRuns, TrainingRun

State = Literal["ok", "warning", "problem", "not measured"]

# Pairs are the figures at which a signature is a warning and a problem.
COMPLEX_FALL = (0.02, 0.05)
"""Fall of pass@1 on complex problems. In the paper SFT gains 1.6 points on average, and training without reflection
loses 26.5 on OptMATH. For a problem pass@1 must also be below the baseline's interval."""
FLAT = 0.02
"""Increase of the mean reward below which it is flat: two rollouts in a hundred."""
HIGH = 0.95
"""Mean reward of the first third above which there is little left to learn."""
FEWEST_STEPS = 9
"""Fewest steps for a comparison of thirds."""
COLLAPSED = 0.02
"""Entropy in nats per token below which a model repeats the same rollout."""
ALIKE = (0.5, 0.8)
"""Share of groups whose rewards are all equal. They have no gradient: at 0.8, four rollouts in five are wasted."""
LONGER = (1.10, 1.25)
"""Ratio of model tokens to the baseline's. In the paper training shortens trajectories by a quarter."""
FAILING = (0.10, 0.25)
"""Share of failing programs. One in ten is normal while learning; one in four points to the model or the sandbox."""
HINTS = (0.05, 0.15)
"""Share of hint tokens among model and hint tokens. The paper has less than 0.026; above 0.05 an intervention is not
light any more, and above 0.15 it is likely to harm the reasoner's own patterns."""
UNBACKED = (0.10, 0.30)
"""Share of answers without a solver report: luck, memory, arithmetic by hand, or a leak."""
LOST = (0.02, 0.10)
"""Share of trajectories that the sandbox failed. They have no reward, and heavy programs are most affected."""
STALE = (2.0, 4.0)
"""Updates between the sampling of a rollout's oldest token and its training. One is the aim of an asynchronous run."""
OLD = (0.05, 0.20)
"""Share of finished groups that are dropped because they are too old: their generation is wasted."""
WEIGHT = (0.1, 0.5)
"""Loss of effective sample size by the importance weights of rollouts from older weights."""
WAITING = (0.3, 0.6)
"""Share of the time in which an asynchronous trainer waits for rollouts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    state: State
    figure: str
    """The measured figure; for "not measured", what is missing."""
    cause: str = ""
    """The likely cause, if other figures of the run suggest it; "" for the signature's own."""


Measure = Callable[[Any, ExaminedRuns], Observation]
"""Measures a signature in one run; the second argument has the other runs and the baseline."""


def complex_families(run: EvaluationRun, runs: ExaminedRuns) -> Observation:
    """Compare pass@1 on complex problems with the baseline."""
    base = runs.baseline
    if base is None:
        return missing("an evaluation of the model before training, as --baseline")
    rules = run.results.get("rules")
    for rule in rules if isinstance(rules, Mapping) else ():
        path = ("by_difficulty", "complex", rule)
        before, now = base.number(*path, "mean"), run.number(*path, "mean")
        if before is None or now is None:
            continue
        low = base.number(*path, "low")
        state = above(before - now, COMPLEX_FALL)
        if state == "problem" and low is not None and now >= low:
            state = "warning"
        return Observation(state=state, figure=f"pass@1 {before:.1%} -> {now:.1%} (rule {rule})")
    return missing("pass@1 of the complex problems in both evaluations, under one rule")


def reward_flat(run: TrainingRun, runs: ExaminedRuns) -> Observation:
    """Compare the mean reward of the last third with the first."""
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
        ("storm/zero_variance_groups", ALIKE[0], 1, "most groups have no variance, so they give no gradient"),
        ("storm/failed_executions", FAILING[1], 1, "programs fail, so the reward depends little on the models in them"),
        ("storm/infrastructure", LOST[1], 1, "the sandbox loses rollouts, and their rewards with them"),
        ("actor/entropy", COLLAPSED, -1, "the entropy has collapsed: all rollouts of a group are the same"),
    )
    for metric, limit, sign, cause in causes:
        values = run.series(metric)
        if values and sign * (fmean(thirds(values)[1]) - limit) > 0:
            return cause
    return ""


def groups_alike(run: TrainingRun, runs: ExaminedRuns) -> Observation:
    """Measure the share of groups without variance."""
    observed = share_of_steps("storm/zero_variance_groups", ALIKE, "of groups", digits=0)(run, runs)
    rewards = run.series("critic/rewards/mean")
    if observed.state == "not measured" or not rewards:
        return observed
    reward = fmean(thirds(rewards)[1])
    too = "easy" if reward >= 0.5 else "hard"
    return replace(observed, cause=f"the problems are too {too} for this model: its mean reward is {reward:.2f}")


def longer_evaluation(run: EvaluationRun, runs: ExaminedRuns) -> Observation:
    """Compare the tokens of a trajectory with the baseline's."""
    if runs.baseline is None:
        return missing("an evaluation of the model before training, as --baseline")
    before, now = (one.number("behaviour", "model_tokens") for one in (runs.baseline, run))
    if not before or now is None:
        return missing("behaviour.model_tokens in both evaluations")
    blocks = [one.number("behaviour", "code_blocks") for one in (runs.baseline, run)]
    details = f"; code blocks {blocks[0]:.2f} -> {blocks[1]:.2f}" if None not in blocks else ""
    figure = f"{before:.0f} -> {now:.0f} tokens per trajectory{details}"
    return Observation(state=above(now / before, LONGER), figure=figure)


def longer_training(run: TrainingRun, runs: ExaminedRuns) -> Observation:
    """Compare the response length of the last third with the first."""
    lengths = run.series("response_length/mean")
    if len(lengths) < FEWEST_STEPS:
        return missing(f"response_length/mean of {FEWEST_STEPS} steps (there are {len(lengths)})")
    before, now = (fmean(third) for third in thirds(lengths))
    figure = f"{before:.0f} -> {now:.0f} tokens per trajectory"
    return Observation(state=above(now / max(before, 1.0), LONGER), figure=figure)


def failing_statuses(run: CurationRun | EvaluationRun, runs: ExaminedRuns) -> Observation:
    """Measure the share of failing programs, by their statuses."""
    source = "episodes.jsonl" if isinstance(run, CurationRun) else "behaviour.execution_status"
    counts = run.executions if isinstance(run, CurationRun) else run.numbers("behaviour", "execution_status")
    total = sum(counts.values())
    if not total:
        return missing(f"executions in {source}")
    bad = {status: count / total for status, count in counts.items() if status != "ok" and count}
    details = ", ".join(f"{status} {part:.1%}" for status, part in sorted(bad.items(), key=lambda item: -item[1]))
    return _share(sum(bad.values()), FAILING, f"of programs{f' ({details})' if details else ''}")


def hints(run: CurationRun, runs: ExaminedRuns) -> Observation:
    """Measure the share of hint tokens in golden trajectories."""
    if not run.golden:
        return missing("golden trajectories")
    mean, most = run.hint_share_mean, run.hint_share_max
    state = above(mean, HINTS)
    state = "warning" if state == "ok" and most > HINTS[1] else state
    return Observation(state=state, figure=f"{mean:.1%} of a golden trajectory, {most:.1%} at most")


def unbacked_curation(run: CurationRun, runs: ExaminedRuns) -> Observation:
    """Measure the share of golden answers without a solver report."""
    if not run.golden:
        return missing("golden trajectories")
    return _share(1 - run.backed / run.golden, UNBACKED, "of golden trajectories")


def unbacked_evaluation(run: EvaluationRun, runs: ExaminedRuns) -> Observation:
    """Measure the share of numeric answers without a solver report."""
    backed = run.number("behaviour", "backed_by_report")
    if backed is None:
        return missing("behaviour.backed_by_report in results.json")
    return _share(1 - backed, UNBACKED, "of numbers answered")


def lost_evaluation(run: EvaluationRun, runs: ExaminedRuns) -> Observation:
    """Measure the share of trajectories that the sandbox failed."""
    failed, scored = run.number("infrastructure"), run.number("scored")
    if failed is None or scored is None or not failed + scored:
        return missing("infrastructure and scored in results.json")
    return _share(failed / (failed + scored), LOST, "of trajectories")


def stale(run: TrainingRun, runs: ExaminedRuns) -> Observation:
    """Measure how old rollouts are in updates, how many are dropped for it, and what their weights lose."""
    ages = run.series("training/off_policy/trajectory_staleness_worst/mean")
    if not ages:
        return missing("training/off_policy/trajectory_staleness_worst/mean in metrics.jsonl")
    age = fmean(thirds(ages)[1])
    last = run.steps[-max(1, len(run.steps) // 3) :]
    dropped = [float(step.get("training/off_policy/evicted_samples", 0)) for step in last]
    groups = [float(step["storm/groups"]) for step in last if "storm/groups" in step]
    share = sum(dropped) / (sum(dropped) + sum(groups)) if groups else 0.0
    sizes = run.series("rollout_corr/rollout_is_eff_sample_size")
    lost = 1 - fmean(thirds(sizes)[1]) if sizes else 0.0
    states = (above(age, STALE), above(share, OLD), above(lost, WEIGHT))
    figure = f"{age:.1f} updates old, {share:.1%} of groups dropped, {lost:.1%} of the effective sample size lost"
    return Observation(state=max(states, key=("ok", "warning", "problem").index), figure=figure)


def waiting(run: TrainingRun, runs: ExaminedRuns) -> Observation:
    """Measure the share of time in which an asynchronous trainer waits; a synchronous one waits by design."""
    if "async" not in run.mode:
        return missing("an asynchronous run (trainer.v1.trainer_mode)")
    busy, generating = (run.series(f"storm/utilization/{name}") for name in ("training", "generating"))
    if not busy:
        return missing("storm/utilization/training in metrics.jsonl")
    share = 1 - fmean(thirds(busy)[1])
    detail = f"; rollouts generate {fmean(thirds(generating)[1]):.0%} of the time" if generating else ""
    return Observation(state=above(share, WAITING), figure=f"waits {share:.0%} of the time{detail}")


def share_of_steps(
    metric: str, limits: tuple[float, float], of: str, *, complement: bool = False, digits: int = 1
) -> Measure:
    """Return a measurement of a training metric that is a share, or 1 minus one (`complement`)."""

    def measure(run: TrainingRun, runs: ExaminedRuns) -> Observation:
        values = run.series(metric)
        if not values:
            return missing(f"{metric} in metrics.jsonl")
        share = fmean(thirds(values)[1])
        return _share(1 - share if complement else share, limits, of, digits)

    return measure


def missing(needed: str) -> Observation:
    return Observation(state="not measured", figure=f"needs {needed}")


def above(value: float, limits: tuple[float, float]) -> State:
    """Compare a value with the limits of a warning and of a problem."""
    return "problem" if value >= limits[1] else "warning" if value >= limits[0] else "ok"


def thirds(values: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Return the first and the last third, with at least one value each."""
    size = max(1, len(values) // 3)
    return values[:size], values[-size:]


def _share(share: float, limits: tuple[float, float], of: str, digits: int = 1) -> Observation:
    return Observation(state=above(share, limits), figure=f"{share:.{digits}%} {of}")
