"""Parse the reply of the judge. It accepts the judgments that the published scorer of OR-Space Explain accepts.

A reply is one JSON object: a decision for every criterion that the judge decides, and four scores. Another reply raises
JudgmentError, whose message is sent to the judge. Endpoints without JSON mode may put thoughts before the object, or
fences around it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storm_calm.agents.interveners.reply_parser import sound
from storm_calm.agents.judge.rubrics import Rubric
from storm_calm.env.jsonl import short

MAXIMA = {"reasoning": 35.0, "grounding": 20.0, "answer_quality": 10.0, "hallucination_penalty": 20.0}
"""The scores that the judge gives, each with its largest value; the least is 0."""


class JudgmentError(ValueError):
    """A reply that is not a judgment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The judge's decision about one criterion."""

    criterion_id: str
    hit: int
    """1 if the explanation meets the criterion, else 0."""
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedScore:
    """A score that the judge gave, in points."""

    score: float
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgment:
    """A judgment on one explanation, with the published names of fields."""

    llm_boolean_judgments: tuple[Decision, ...]
    """The decisions, in the order of the checklist."""
    reasoning: JudgedScore
    """In [0, 35]."""
    grounding: JudgedScore
    """In [0, 20]."""
    answer_quality: JudgedScore
    """In [0, 10]."""
    hallucination_penalty: JudgedScore
    """In [0, 20]; subtracted."""


def read_judgment(reply: str, rubric: Rubric) -> Judgment:
    """Parse a reply. Raises JudgmentError with the fault."""
    data = _object(reply)
    scores = {name: _score(data, name, maximum) for name, maximum in MAXIMA.items()}
    return Judgment(llm_boolean_judgments=_decisions(data.get("llm_boolean_judgments"), rubric), **scores)


def without_explanation(rubric: Rubric) -> Judgment:
    """Return the judgment on a trajectory without an explanation: nothing is met, and all scores are 0."""
    nothing = JudgedScore(score=0.0, reason="no explanation")
    return Judgment(
        llm_boolean_judgments=tuple(Decision(criterion_id=id, hit=0, reason=nothing.reason) for id in rubric.criteria),
        reasoning=nothing,
        grounding=nothing,
        answer_quality=nothing,
        hallucination_penalty=nothing,
    )


def _object(reply: str) -> Mapping[str, Any]:
    text = reply.rpartition("</think>")[2]
    start, end = text.find("{"), text.rfind("}")
    if "<think>" in text or start < 0:
        raise JudgmentError("the reply has no JSON object")
    try:
        data = json.loads(text[start : end + 1] if end > start else text[start:])
    except (ValueError, RecursionError):
        raise JudgmentError("the reply is not valid JSON, or not all of it") from None
    assert isinstance(data, dict)
    return data


def _decisions(given: object, rubric: Rubric) -> tuple[Decision, ...]:
    if not isinstance(given, list):
        raise JudgmentError(f"llm_boolean_judgments is {short(given)}, not a list")
    found: dict[str, Decision] = {}
    for one in given:
        id = one.get("criterion_id") if isinstance(one, dict) else None
        if not isinstance(id, str) or id not in rubric.criteria:
            raise JudgmentError(f"llm_boolean_judgments has {short(one)}; give only {', '.join(rubric.criteria)}")
        if id in found:
            raise JudgmentError(f"llm_boolean_judgments has {id} twice")
        hit = one.get("hit")
        if not isinstance(hit, int | float) or hit not in (0, 1):
            raise JudgmentError(f"hit of {id} is {short(hit)}, not 0 or 1")
        found[id] = Decision(criterion_id=id, hit=int(hit), reason=_reason(one))
    if missing := [id for id in rubric.criteria if id not in found]:
        raise JudgmentError(f"llm_boolean_judgments lacks {', '.join(missing)}")
    return tuple(found[id] for id in rubric.criteria)


def _score(data: Mapping[str, Any], name: str, maximum: float) -> JudgedScore:
    given = data.get(name)
    if not isinstance(given, dict) or not isinstance(value := given.get("score"), int | float):
        raise JudgmentError(f"{name} is {short(given)}, not an object with a number as its score")
    if not 0 <= value <= maximum:
        raise JudgmentError(f"{name} has the score {short(value)}, which is not from 0 to {maximum:g}")
    return JudgedScore(score=float(value), reason=_reason(given))


def _reason(given: Mapping[str, Any]) -> str:
    return sound(str(given.get("reason") or ""))
