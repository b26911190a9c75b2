"""What is looked for: each signature with its limits, its likely cause, and what to try.

The signatures are those that arXiv 2510.04204 names, and what makes a reward worthless: groups that teach nothing, and
right answers that come from somewhere else than a solver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storm_calm.rl.doctor import measurements
from storm_calm.rl.doctor.measurements import ALIKE, COMPLEX_FALL, FAILING, FLAT, HINTS, LONGER, LOST, UNBACKED, Measure
from storm_calm.rl.doctor.read_runs import CurationRun, EvaluationRun, ExaminedRun, TrainingRun


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """Something that goes wrong."""

    name: str
    """A word or two."""
    threshold: str
    """From which figure on it is a warning, and a problem."""
    cause: str
    """What is behind it most often."""
    remedy: str
    """What to try."""
    measures: Mapping[type[ExaminedRun], Measure]
    """How it is looked for, by the kind of run."""


SIGNATURES = (
    Signature(
        name="complex problems",
        threshold=f"falls by {COMPLEX_FALL[0] * 100:.0f} points; by {COMPLEX_FALL[1] * 100:.0f} and below "
        "the baseline's interval",
        cause="trained on runs without reflection, on too few complex problems, or for too many epochs",
        remedy="keep complex problems among the golden runs, fewer epochs, a smaller learning rate; curate again with "
        "the model's own runs rather than with those of another",
        measures={EvaluationRun: measurements.complex_families},
    ),
    Signature(
        name="reward flat",
        threshold=f"rises by less than twice its noise; by less than {FLAT}",
        cause="the SFT model is not calibrated, or the learning rate is too small",
        remedy="look at rollouts first; then groups with variance, a larger learning rate, more rollouts a problem, "
        "and an SFT on golden runs before it",
        measures={TrainingRun: measurements.reward_flat},
    ),
    Signature(
        name="groups alike",
        threshold=f"{ALIKE[0]:.0%}; {ALIKE[1]:.0%} of groups without variance",
        cause="the problems are too easy or too hard for this model",
        remedy="choose problems that it solves sometimes, more rollouts a problem, a higher temperature",
        measures={TrainingRun: measurements.groups_alike},
    ),
    Signature(
        name="verbosity",
        threshold=f"{LONGER[0] - 1:.0%}; {LONGER[1] - 1:.0%} more tokens a run",
        cause="distrust of code is not mended: it works things out in words that a program would settle",
        remedy="golden runs with interventions of triggers 1 to 3 among the SFT data; a smaller limit on the length of "
        "responses; leave out runs that are right and long",
        measures={EvaluationRun: measurements.longer_evaluation, TrainingRun: measurements.longer_training},
    ),
    Signature(
        name="programs failing",
        threshold=f"{FAILING[0]:.0%}; {FAILING[1]:.0%} of programs",
        cause="a library that the sandbox lacks, limits that are too small, or a model that does not know the library",
        remedy="read the errors of a few; `storm sandbox check`; more seconds or memory; name the libraries that are "
        "there in the instructions",
        measures={
            CurationRun: measurements.failing_statuses,
            EvaluationRun: measurements.failing_statuses,
            TrainingRun: measurements.failing_training,
        },
    ),
    Signature(
        name="hint share",
        threshold=f"{HINTS[0]:.0%}; {HINTS[1]:.0%} of model and hint tokens",
        cause="hints are long, or runs need so many that they are the intervener's rather than the model's",
        remedy="shorter hints, a smaller --max-hint-share or --max-interventions, or a stronger reasoner; export "
        "with --no-hints",
        measures={CurationRun: measurements.hints},
    ),
    Signature(
        name="answers unbacked",
        threshold=f"{UNBACKED[0]:.0%}; {UNBACKED[1]:.0%} of answers",
        cause="answers are guessed, remembered or worked out by hand; or solves go past the probe",
        remedy="look at such runs; check the data for contamination (`storm export --against`); problems with data of "
        "their own; `storm sandbox run` on one of its programs, to see whether the solver's report is there",
        measures={
            CurationRun: measurements.unbacked_curation,
            EvaluationRun: measurements.unbacked_evaluation,
            TrainingRun: measurements.unbacked_training,
        },
    ),
    Signature(
        name="runs lost",
        threshold=f"{LOST[0]:.0%}; {LOST[1]:.0%} of runs",
        cause="the sandbox has too few workers or too little memory, or its backend is not reachable",
        remedy="`storm sandbox check`; fewer runs at once; another backend",
        measures={EvaluationRun: measurements.lost_evaluation, TrainingRun: measurements.lost_training},
    ),
)
"""What is looked for, in the order in which it is told."""
