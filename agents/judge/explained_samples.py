"""The samples of a run that a judge can score, each with its explanation and its rubric."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES, Sample, run_samples
from storm_calm.agents.judge.explanation import explanation_of
from storm_calm.agents.judge.judge_input import judge_input, messages_to_judge, read_evidence
from storm_calm.agents.judge.rubrics import Rubric, Rubrics
from storm_calm.env.problems.benchmarks import benchmark_of

BENCHMARK = "or_space_explain"


@dataclass(frozen=True, kw_only=True)
class ExplainedSample:
    """A sample with its explanation."""

    id: str
    repetition: int
    sample: int
    explanation: str
    """"" if the trajectory has none."""
    rubric: Rubric
    evidence: tuple[dict[str, str], ...]
    """The files of the problem, as the judge gets them."""
    prompt: str
    """The system prompt of the judge."""

    @property
    def key(self) -> tuple[str, int, int]:
        return self.id, self.repetition, self.sample

    def messages(self) -> list[dict[str, str]]:
        """Return the messages of the request to the judge."""
        return messages_to_judge(self.prompt, judge_input(self.rubric, self.explanation, self.evidence))


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedRun:
    """The samples of a run with their rubrics."""

    samples: tuple[ExplainedSample, ...]
    infrastructure: int
    """Samples that the sandbox failed, which have no explanation."""
    other: int
    """Samples of other test sets, which need no judge."""


def read_run(run: Path, rubrics: Rubrics) -> ExplainedRun:
    """Read the samples of an evaluation.

    Raises ValueError for a folder without explanations, a question without its rubric, and changed files of a problem.
    """
    if not EVALUATION_SAMPLES.exists(run):
        raise ValueError(f"{run}: no samples.jsonl in it; give the --out of a storm eval --benchmark {BENCHMARK}")
    asked, other = [], 0
    for sample in run_samples(run):
        if benchmark_of(sample.episode.problem) == BENCHMARK:
            asked.append(sample)
        else:
            other += 1
    if not asked:
        raise ValueError(f"{run}: no sample of {BENCHMARK}; only its answers are explanations")
    return ExplainedRun(
        samples=tuple(_explained(asked, rubrics)),
        infrastructure=sum(sample.failed for sample in asked),
        other=other,
    )


def _explained(samples: Iterable[Sample], rubrics: Rubrics) -> Iterable[ExplainedSample]:
    evidence: dict[str, tuple[dict[str, str], ...]] = {}
    for sample in samples:
        problem = sample.episode.problem
        if sample.failed:
            continue
        rubric = _rubric(rubrics.by_id, sample, rubrics.path)
        if sample.id not in evidence:
            evidence[sample.id] = tuple(read_evidence(problem))
        yield ExplainedSample(
            id=sample.id,
            repetition=sample.repetition,
            sample=sample.sample,
            explanation=explanation_of(sample.episode),
            rubric=rubric,
            evidence=evidence[sample.id],
            prompt=rubrics.prompt,
        )


def _rubric(by_id: Mapping[str, Rubric], sample: Sample, path: Path) -> Rubric:
    rubric = by_id.get(sample.id)
    if rubric is None:
        raise ValueError(f"{path}: no rubric for {sample.id}; give the rubrics of the release that the run has")
    if not sample.episode.problem.question.startswith(rubric.question.strip()):
        raise ValueError(f"{path}: another question for {sample.id}; give the rubrics of the release that the run has")
    return rubric
