"""The verdicts: every signature against every run that can show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storm_calm.rl.doctor.measurements import Observation, State, missing
from storm_calm.rl.doctor.read_runs import CurationRun, EvaluationRun, ExaminedRuns, TrainingRun, read_runs
from storm_calm.rl.doctor.signatures import SIGNATURES, Signature

KINDS = {CurationRun: "a curation", EvaluationRun: "an evaluation", TrainingRun: "a GRPO run"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """What one check says about one run."""

    check: str
    """The signature that was looked for."""
    run: str
    """The folder of the run; "" where there is none that could show it."""
    state: State
    """ok, warning, problem, or not measured, which is not ok."""
    figure: str
    """The figure; for "not measured", what is missing."""
    threshold: str
    """From which figure on it is a warning, and a problem."""
    cause: str
    """The likely cause of a warning or problem; else ""."""
    remedy: str
    """What to try against it; else ""."""


def examine(path: Path, baseline: Path | None = None) -> tuple[Diagnosis, ...]:
    """Look for every signature in the run, or in the runs, at `path`.

    baseline: the folder of an evaluation of the model before training, see `rl.doctor.read_runs.read_runs`.
    Every signature has at least one verdict. Raises ValueError where there is no run.
    """
    runs = read_runs(path, baseline)
    return tuple(verdict for signature in SIGNATURES for verdict in _verdicts(signature, runs))


def _verdicts(signature: Signature, runs: ExaminedRuns) -> Iterator[Diagnosis]:
    observations = [
        (run.name, measure(run, runs))
        for run in runs.runs
        if (measure := signature.measures.get(type(run))) is not None
    ]
    wanted = " or ".join(KINDS[kind] for kind in signature.measures)
    for name, measured in observations or [("", missing(wanted))]:
        yield _verdict(signature, name, measured)


def _verdict(signature: Signature, name: str, measured: Observation) -> Diagnosis:
    bad = measured.state in ("warning", "problem")
    return Diagnosis(
        check=signature.name,
        run=name,
        state=measured.state,
        figure=measured.figure,
        threshold=signature.threshold,
        cause=(measured.cause or signature.cause) if bad else "",
        remedy=signature.remedy if bad else "",
    )
