"""Check every signature against every run that can show it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storm_calm.rl.doctor.measurements import State, missing
from storm_calm.rl.doctor.read_runs import CurationRun, EvaluationRun, ExaminedRuns, TrainingRun, read_runs
from storm_calm.rl.doctor.signatures import SIGNATURES, Signature

KINDS = {CurationRun: "a curation", EvaluationRun: "an evaluation", TrainingRun: "a GRPO run"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    check: str
    """The name of the signature."""
    run: str
    """The run folder; "" if no run can show the signature."""
    state: State
    figure: str
    """The measured figure; for "not measured", what is missing."""
    threshold: str
    """The figures at which it is a warning and a problem."""
    cause: str
    """The likely cause of a warning or problem; else ""."""
    remedy: str
    """What to try against a warning or problem; else ""."""


def examine(path: Path, baseline: Path | None = None) -> tuple[Diagnosis, ...]:
    """Check every signature in the run folder `path`, or in the run folders in it.

    baseline: the run folder of an evaluation of the model before training, see `read_runs`.
    Every signature has at least one result. Raises ValueError if no run is found.
    """
    runs = read_runs(path, baseline)
    return tuple(diagnosis for signature in SIGNATURES for diagnosis in _check(signature, runs))


def _check(signature: Signature, runs: ExaminedRuns) -> Iterator[Diagnosis]:
    observations = [
        (run.name, measure(run, runs))
        for run in runs.runs
        if (measure := signature.measures.get(type(run))) is not None
    ]
    needed = " or ".join(KINDS[kind] for kind in signature.measures)
    for name, measured in observations or [("", missing(needed))]:
        bad = measured.state in ("warning", "problem")
        yield Diagnosis(
            check=signature.name,
            run=name,
            state=measured.state,
            figure=measured.figure,
            threshold=signature.threshold,
            cause=(measured.cause or signature.cause) if bad else "",
            remedy=signature.remedy if bad else "",
        )
