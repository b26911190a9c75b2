"""Replies are validated strictly, and the score is computed from them by code."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.agents.judge.explain_score import explain_score
from storm_calm.agents.judge.judgment import MAXIMA, JudgmentError, read_judgment, without_explanation
from storm_calm.agents.judge.rubrics import read_rubric
from support.explain_set import explanation, rubric
from support.fake_judge_server import REPLY_KINDS, Look, decision, reply

RUBRIC = read_rubric(rubric(1, 12))
GIVEN = {"answer": explanation(12), "checklist": list(RUBRIC.checklist)}


@pytest.mark.parametrize("kind", REPLY_KINDS)
def test_a_reply_is_accepted_if_it_is_a_judgment(kind):
    text, _ = reply(Look(given=GIVEN, replies=0, asked=0), kind)
    if REPLY_KINDS[kind]:
        with pytest.raises(JudgmentError):
            read_judgment(text, RUBRIC)
    else:
        judgment = read_judgment(text, RUBRIC)
        assert (judgment.reasoning.score, judgment.llm_boolean_judgments[0].hit) == (30.0, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"llm_boolean_judgments": {}}, "llm_boolean_judgments is {}, not a list"),
        ({"llm_boolean_judgments": ["c2"]}, 'llm_boolean_judgments has "c2"; give only c2'),
        ({"llm_boolean_judgments": [{"criterion_id": "c2"}]}, "hit of c2 is null, not 0 or 1"),
        ({"llm_boolean_judgments": []}, "llm_boolean_judgments lacks c2"),
        ({"reasoning": None}, "reasoning is null, not an object with a number as its score"),
        ({"grounding": {"score": None}}, 'grounding is {"score": null}, not an object'),
        ({"answer_quality": {"score": 10.5}}, "answer_quality has the score 10.5, which is not from 0 to 10"),
        ({"hallucination_penalty": {"score": 10**400}}, "hallucination_penalty has the score 1000"),
    ],
)
def test_the_fault_names_the_field_and_the_value(change, message):
    with pytest.raises(JudgmentError) as error:
        read_judgment(json.dumps(decision(GIVEN) | change), RUBRIC)
    assert str(error.value).startswith(message)


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_any_text_is_a_judgment_or_a_fault(text):
    with pytest.raises(JudgmentError):
        read_judgment(text, RUBRIC)


@given(st.fixed_dictionaries({name: st.floats(0, maximum) for name, maximum in MAXIMA.items()}), st.booleans())
def test_the_score_is_the_clipped_sum_of_its_parts(scores, hit):
    data = {name: {"score": score, "reason": ""} for name, score in scores.items()}
    data["llm_boolean_judgments"] = [{"criterion_id": "c2", "hit": int(hit), "reason": ""}]
    judgment = read_judgment(json.dumps(data), RUBRIC)
    found = explain_score(RUBRIC, "Only max_hours.", judgment)
    assert (found.entities, found.entities_total, found.criteria, found.criteria_total) == (1, 3, hit, 1)
    assert found.exact_coverage == 35 * (1 + hit) / 4
    whole = found.exact_coverage + sum(scores.values()) - 2 * scores["hallucination_penalty"]
    assert math.isclose(found.score, min(100, max(0, whole)), abs_tol=1e-9)


def test_the_best_explanation_has_100_points_and_none_has_0():
    best = {name: {"score": maximum, "reason": ""} for name, maximum in MAXIMA.items()}
    best["hallucination_penalty"]["score"] = 0
    best["llm_boolean_judgments"] = [{"criterion_id": "c2", "hit": 1, "reason": ""}]
    assert explain_score(RUBRIC, explanation(12), read_judgment(json.dumps(best), RUBRIC)).score == 100
    assert explain_score(RUBRIC, "", without_explanation(RUBRIC)).score == 0
    worst = {name: {"score": 0, "reason": ""} for name in MAXIMA} | {"hallucination_penalty": {"score": 20}}
    worst["llm_boolean_judgments"] = [{"criterion_id": "c2", "hit": 0, "reason": ""}]
    assert explain_score(RUBRIC, "max_hours", read_judgment(json.dumps(worst), RUBRIC)).score == 0
