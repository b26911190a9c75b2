"""The published five-dimensional score of an explanation: 100 points, computed from a judgment.

    score = clip(coverage + reasoning + grounding + answer_quality - hallucination_penalty, 0, 100)

`coverage` is 35 * hits / total, over the entities that code finds and the criteria that the judge decides. The judge
gives the other four.
"""

from dataclasses import dataclass

from storm_calm.agents.judge.entity_match import has_entity
from storm_calm.agents.judge.judgment import Judgment
from storm_calm.agents.judge.rubrics import Rubric

COVERAGE = 35.0
"""Points of an explanation that meets the whole checklist."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainScore:
    """The score of an explanation, in points."""

    score: float
    """In [0, 100]."""
    exact_coverage: float
    """In [0, 35]."""
    reasoning: float
    """In [0, 35]."""
    grounding: float
    """In [0, 20]."""
    answer_quality: float
    """In [0, 10]."""
    hallucination_penalty: float
    """In [0, 20]; subtracted."""
    entities: int
    """Entities found."""
    entities_total: int
    """Entities in the checklist."""
    criteria: int
    """Criteria met."""
    criteria_total: int
    """Criteria in the checklist that the judge decides."""


def explain_score(rubric: Rubric, explanation: str, judgment: Judgment) -> ExplainScore:
    """Compute the score. judgment: on this explanation, with a decision for each criterion of the rubric."""
    entities = found_entities(rubric, explanation)
    criteria = sum(one.hit for one in judgment.llm_boolean_judgments)
    total = len(rubric.entities) + len(rubric.criteria)
    coverage = COVERAGE * (entities + criteria) / total if total else COVERAGE
    penalty = judgment.hallucination_penalty.score
    points = coverage + judgment.reasoning.score + judgment.grounding.score + judgment.answer_quality.score - penalty
    return ExplainScore(
        score=max(0.0, min(100.0, points)),
        exact_coverage=coverage,
        reasoning=judgment.reasoning.score,
        grounding=judgment.grounding.score,
        answer_quality=judgment.answer_quality.score,
        hallucination_penalty=penalty,
        entities=entities,
        entities_total=len(rubric.entities),
        criteria=criteria,
        criteria_total=len(rubric.criteria),
    )


def found_entities(rubric: Rubric, explanation: str) -> int:
    """Return how many of the required entities an explanation has."""
    return sum(has_entity(explanation, entity.text) for entity in rubric.entities)
