"""The signatures of failed training, with thresholds, likely causes and remedies.

They are those of arXiv 2510.04204, two that make a reward useless (groups without variance, and correct answers that do
not come from a solver), and two of asynchronous training.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from storm_calm.rl.doctor import measurements
from storm_calm.rl.doctor.measurements import (
    ALIKE,
    COMPLEX_FALL,
    FAILING,
    FLAT,
    HINTS,
    LONGER,
    LOST,
    OLD,
    STALE,
    UNBACKED,
    WAITING,
    WEIGHT,
    Measure,
)
from storm_calm.rl.doctor.read_runs import CurationRun, EvaluationRun, ExaminedRun, TrainingRun


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """A symptom of failed training."""

    name: str
    threshold: str
    """The figures at which it is a warning and a problem."""
    cause: str
    """The most frequent cause."""
    remedy: str
    measures: Mapping[type[ExaminedRun], Measure]
    """How it is measured, by the kind of run."""


SIGNATURES = (
    Signature(
        name="complex problems",
        threshold=f"falls by {COMPLEX_FALL[0] * 100:.0f} points; by {COMPLEX_FALL[1] * 100:.0f} and below "
        "the baseline's interval",
        cause="trained on trajectories without reflection, on too few complex problems, or for too many epochs",
        remedy="keep complex problems in the data, train for fewer epochs, lower the learning rate; curate with the "
        "model's own trajectories rather than those of another model",
        measures={EvaluationRun: measurements.complex_families},
    ),
    Signature(
        name="reward flat",
        threshold=f"rises by less than twice its noise; by less than {FLAT}",
        cause="the SFT model is not calibrated, or the learning rate is too small",
        remedy="read some rollouts first; then try groups with variance, a larger learning rate, more rollouts per "
        "problem, and SFT on golden trajectories before GRPO",
        measures={TrainingRun: measurements.reward_flat},
    ),
    Signature(
        name="groups alike",
        threshold=f"{ALIKE[0]:.0%}; {ALIKE[1]:.0%} of groups without variance",
        cause="the problems are too easy or too hard for this model",
        remedy="choose problems that it solves sometimes, more rollouts per problem, or a higher temperature",
        measures={TrainingRun: measurements.groups_alike},
    ),
    Signature(
        name="verbosity",
        threshold=f"{LONGER[0] - 1:.0%}; {LONGER[1] - 1:.0%} more tokens per trajectory",
        cause="distrust of code remains: the model calculates in words instead of running a program",
        remedy="add golden trajectories with interventions of triggers 1 to 3 to the SFT data; lower the response "
        "limit; leave out long trajectories",
        measures={EvaluationRun: measurements.longer_evaluation, TrainingRun: measurements.longer_training},
    ),
    Signature(
        name="programs failing",
        threshold=f"{FAILING[0]:.0%}; {FAILING[1]:.0%} of programs",
        cause="a missing library in the sandbox, limits that are too low, or a model that does not know the library",
        remedy="read some of the errors; run `storm sandbox check`; raise the time or memory limit; list the installed "
        "libraries in the instructions",
        measures={
            CurationRun: measurements.failing_statuses,
            EvaluationRun: measurements.failing_statuses,
            TrainingRun: measurements.share_of_steps("storm/failed_executions", FAILING, "of programs"),
        },
    ),
    Signature(
        name="hint share",
        threshold=f"{HINTS[0]:.0%}; {HINTS[1]:.0%} of model and hint tokens",
        cause="hints are too long, or there are so many that trajectories are mostly the intervener's",
        remedy="shorten the hints, lower --max-hint-share or --max-interventions, use a stronger reasoner, or export "
        "with --no-hints",
        measures={CurationRun: measurements.hints},
    ),
    Signature(
        name="answers unbacked",
        threshold=f"{UNBACKED[0]:.0%}; {UNBACKED[1]:.0%} of answers",
        cause="answers are guessed, memorized or calculated by hand; or the probe misses the solves",
        remedy="read such trajectories; check the data for contamination (`storm export --against`); use generated "
        "problems; run one of the programs with `storm sandbox run` to see whether the solver is reported",
        measures={
            CurationRun: measurements.unbacked_curation,
            EvaluationRun: measurements.unbacked_evaluation,
            TrainingRun: measurements.share_of_steps("storm/backed", UNBACKED, "of right answers", complement=True),
        },
    ),
    Signature(
        name="runs lost",
        threshold=f"{LOST[0]:.0%}; {LOST[1]:.0%} of trajectories",
        cause="the sandbox has too few workers or too little memory, or its backend is unreachable",
        remedy="run `storm sandbox check`; lower the number of workers; use another backend",
        measures={
            EvaluationRun: measurements.lost_evaluation,
            TrainingRun: measurements.share_of_steps("storm/infrastructure", LOST, "of rollouts"),
        },
    ),
    Signature(
        name="rollouts stale",
        threshold=f"{STALE[0]:g}; {STALE[1]:g} updates old, {OLD[0]:.0%}; {OLD[1]:.0%} of groups dropped, or "
        f"{WEIGHT[0]:.0%}; {WEIGHT[1]:.0%} of the effective sample size lost",
        cause="more prompts are in flight than the trainer consumes, or some rollouts take much longer than others",
        remedy="lower num_warmup_batches; lower data.max_response_length or storm.solver_seconds; give the trainer "
        "more devices; use trainer.v1.sampler.max_off_policy_strategy=wait",
        measures={TrainingRun: measurements.stale},
    ),
    Signature(
        name="trainer waiting",
        threshold=f"{WAITING[0]:.0%}; {WAITING[1]:.0%} of the time",
        cause="rollouts take longer than training",
        remedy="raise num_warmup_batches or storm.workers; give generation more devices",
        measures={TrainingRun: measurements.waiting},
    ),
)
"""All signatures, in the order of the report."""
