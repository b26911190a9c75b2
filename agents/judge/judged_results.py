"""The results of a judge: means over problems with 95 % intervals, computed from the judgments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from storm_calm.agents.evaluation.intervals import Interval, bootstrapped, mean_share
from storm_calm.agents.interveners.cost import Cost
from storm_calm.agents.judge.explain_score import COVERAGE, ExplainScore, explain_score, found_entities
from storm_calm.agents.judge.explained_samples import ExplainedRun, ExplainedSample
from storm_calm.agents.judge.judged_sample import JudgedSample
from storm_calm.agents.judge.judgment import MAXIMA
from storm_calm.agents.judge.rubrics import Rubrics
from storm_calm.env.serialize import to_json

POINTS = {"score": 100.0, "exact_coverage": COVERAGE, **MAXIMA}
"""The scores of an explanation, each with its largest value in points."""
ENTITIES, CRITERIA = "entities", "criteria"


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedGroup:
    """The explanations on a group of problems."""

    problems: int
    """Problems with a judged sample."""
    score: Interval
    """Mean score in points, in [0, 100]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredSample:
    """The score of one sample."""

    id: str
    """Id of the problem."""
    repetition: int
    """The number of the repetition, as in `samples.jsonl`."""
    sample: int
    """The number of the sample, as in `samples.jsonl`."""
    points: ExplainScore


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedResults:
    """The results of a judge. A mean over problems uses each problem's mean over its samples."""

    reasoner: str
    """The model that wrote the explanations."""
    judge_model: str
    """The judge, as requests name it."""
    replied_by: tuple[str, ...]
    """The judge, as its replies name it; several names if the endpoint changed."""
    judge_prompt_sha256: str
    """SHA-256 of the judge's prompt."""
    rubrics_sha256: str
    """SHA-256 of the file of rubrics."""
    rubrics: int
    """Rubrics in the file; compare scores only over the same problems."""
    problems: int
    """Problems with a judged sample."""
    judged: int
    """Samples with a judgment."""
    empty: int
    """Of them without an explanation: their score is 0, and the judge was not asked."""
    corrected: int
    """Of them whose judgment took more than one reply."""
    errors: int
    """Samples without a judgment because the judge failed; repeated by the next `storm judge`."""
    infrastructure: int
    """Samples that the sandbox failed, which are not judged."""
    points: dict[str, Interval]
    """Means in points: score, exact_coverage, reasoning, grounding, answer_quality and hallucination_penalty; empty
    without judgments."""
    shares: dict[str, Interval]
    """Means over problems of the share of entities found and of criteria met; empty without judgments."""
    by_dimension: dict[str, JudgedGroup]
    """The score by the capability that the question measures."""
    cost: Cost
    """Requests, tokens and price of these judgments, in all sessions."""
    scores: tuple[ScoredSample, ...]
    """The score of each sample."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExactResults:
    """The part of the results that needs no judge."""

    problems: int
    samples: int
    empty: int
    """Samples without an explanation, which have no entities."""
    infrastructure: int
    """Samples that the sandbox failed, which do not count."""
    entities: Interval | None
    """Mean over problems of the share of required entities found; None without samples."""
    all_found: Interval | None
    """Share of explanations with all required entities; None without samples."""


def judged_results_to_json(results: JudgedResults) -> dict[str, Any]:
    """Return the JSON data of a judged.json, to six decimals."""
    return to_json(results, digits=6)


def work_out(
    run: ExplainedRun,
    judged: Mapping[tuple[str, int, int], JudgedSample],
    rubrics: Rubrics,
    *,
    reasoner: str,
    judge_model: str,
    errors: int,
) -> JudgedResults:
    """Compute the results. judged: the judgments by the key of the sample."""
    pairs = [(sample, judged[sample.key]) for sample in run.samples if sample.key in judged]
    scores = [_scored(sample, judgment) for sample, judgment in pairs]
    by_dimension: dict[str, list[ScoredSample]] = {}
    for (sample, _), score in zip(pairs, scores, strict=True):
        by_dimension.setdefault(sample.rubric.dimension or "other", []).append(score)
    cost = sum((judgment.cost for _, judgment in pairs), start=Cost())
    return JudgedResults(
        reasoner=reasoner,
        judge_model=judge_model,
        replied_by=tuple(dict.fromkeys(one.replied_by for _, one in pairs if one.replied_by)),
        judge_prompt_sha256=rubrics.prompt_sha256,
        rubrics_sha256=rubrics.sha256,
        rubrics=len(rubrics.by_id),
        problems=len({score.id for score in scores}),
        judged=len(scores),
        empty=sum(one.replies == 0 for _, one in pairs),
        corrected=sum(one.replies > 1 for _, one in pairs),
        errors=errors,
        infrastructure=run.infrastructure,
        points={name: _points(scores, name) for name in POINTS} if scores else {},
        shares={name: _share(scores, name) for name in (ENTITIES, CRITERIA) if _values(scores, name)},
        by_dimension={
            name: JudgedGroup(problems=len({one.id for one in part}), score=_points(part, "score"))
            for name, part in sorted(by_dimension.items())
        },
        cost=cost,
        scores=tuple(scores),
    )


def exact_results_of(run: ExplainedRun) -> ExactResults:
    """Compute the part of the results that needs no judge."""
    asked = [one for one in run.samples if one.rubric.entities]
    shares = [(one.id, found_entities(one.rubric, one.explanation) / len(one.rubric.entities)) for one in asked]
    return ExactResults(
        problems=len({one.id for one in run.samples}),
        samples=len(run.samples),
        empty=sum(not one.explanation for one in run.samples),
        infrastructure=run.infrastructure,
        entities=mean_share(_means(shares)) if shares else None,
        all_found=mean_share(_means([(id, float(share == 1)) for id, share in shares])) if shares else None,
    )


def _scored(sample: ExplainedSample, judgment: JudgedSample) -> ScoredSample:
    points = explain_score(sample.rubric, sample.explanation, judgment)
    return ScoredSample(id=sample.id, repetition=sample.repetition, sample=sample.sample, points=points)


def _points(scores: Sequence[ScoredSample], name: str) -> Interval:
    values = [(one.id, getattr(one.points, name)) for one in scores]
    return bootstrapped([_means(values)], low=0.0, high=POINTS[name])


def _share(scores: Sequence[ScoredSample], name: str) -> Interval:
    return mean_share(_means(_values(scores, name)))


def _values(scores: Sequence[ScoredSample], name: str) -> list[tuple[str, float]]:
    totals = [(one.id, getattr(one.points, name), getattr(one.points, f"{name}_total")) for one in scores]
    return [(id, found / total) for id, found, total in totals if total]


def _means(values: Sequence[tuple[str, float]]) -> list[float]:
    """Return the mean of each problem's values."""
    by_problem: dict[str, list[float]] = {}
    for id, value in values:
        by_problem.setdefault(id, []).append(value)
    return [fmean(part) for part in by_problem.values()]
