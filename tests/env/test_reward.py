"""Scores follow a named rule and have a reason."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import RULES, Episode, Problem, Score, Span, Transcript, score
from storm_calm.env.serialize import from_json, to_json


def episode(text, *answers, stop="answer", rule="paper"):
    spans = (Span(source="prompt", text="Q"), Span(source="model", text=text, finish="end"))
    problem = Problem(id="p", question="Q", answers=answers, rule=rule)
    return Episode(problem=problem, transcript=Transcript(spans=spans), stop=stop)


@pytest.mark.parametrize(
    ("rule", "accepted", "right", "wrong"),
    [
        ("paper", 10000.0, [10000, 10001, 9999], [10001.1, 9998.9, -10000]),
        ("paper", -2.0, [-2, -2.0002], [-2.0003, 2]),
        ("paper", 0.0, [0, 1e-4, -1e-4], [1.1e-4, 1]),
        ("sirl", 1e6, [1e6, 1e6 + 1], [1e6 + 1.1]),
        ("sirl", 0.0, [0, 1e-6], [1.1e-6]),
        ("orlm", 100.0, [100, 105.4, 95, 94.6], [106, 94]),
        ("orlm", 0.3, [0.3, -0.4, 0.5], [1, 0.6]),
        ("orlm", 0.0, [0, 0.4], [1]),
        ("mamo", 1.25, [1.25, 1.2599, 1.2401], [1.27, 1.23]),
        ("mamo", 1.2345, [1.23455], [1.2355]),
        ("mamo", 100000.0, [100000, 100010], [100011]),
        ("mamo", 0.0, [0, 0.0099], [0.02]),
        ("mamo", 1e-05, [1e-05], [3e-05]),
        ("or_space", 200.0, [200, 202, 198], [202.1, -200]),
        ("or_space", 0.0, [0, 0.01], [0.011]),
    ],
)
def test_each_rule_has_its_tolerance(rule, accepted, right, wrong):
    assert [p for p in right if not RULES[rule](p, accepted)] == []
    assert [p for p in wrong if RULES[rule](p, accepted)] == []


@given(st.floats(-1e12, 1e12), st.sampled_from(sorted(RULES)))
def test_the_exact_number_is_correct_under_every_rule(a, rule):
    assert score(episode(f"\\boxed{{{a!r}}}", a, rule=rule)).reward == 1.0


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_rules_never_raise(p, a):
    assert all(isinstance(rule(p, a), bool) for rule in RULES.values())


def test_the_problems_rule_is_the_default():
    run = episode(r"\boxed{104}", 100.0, rule="orlm")
    assert (score(run).reward, score(run).rule) == (1.0, "orlm")
    assert (score(run, rule="paper").reward, score(run, rule="paper").rule) == (0.0, "paper")


def test_any_accepted_answer_is_correct():
    assert score(episode(r"\boxed{7}", 5.0, 7.0)).reward == 1.0
    assert score(episode(r"\boxed{infeasible}", 5.0, "infeasible")).reward == 1.0


def test_infeasible_and_unbounded_match_only_themselves():
    assert score(episode(r"\boxed{infeasible}", "infeasible")).reason == "correct"
    assert score(episode(r"\boxed{unbounded}", "infeasible")).reason == "wrong_answer"
    assert score(episode(r"\boxed{0}", "infeasible")).reason == "wrong_answer"
    assert score(episode(r"\boxed{infeasible}", 0.0)).reason == "wrong_answer"


def test_a_percentage_is_not_read_as_a_fraction():
    assert score(episode(r"\boxed{15\%}", 15.0)).reward == 1.0
    assert score(episode(r"\boxed{15\%}", 0.15)).reward == 0.0


def test_an_unreadable_box_is_not_an_answer():
    verdict = score(episode(r"\boxed{many}", 5.0))
    assert (verdict.reward, verdict.answer, verdict.reason) == (0.0, None, "no_answer")


@pytest.mark.parametrize("stop", ["budget", "length", "malformed"])
def test_a_trajectory_that_did_not_stop_with_an_answer_scores_0(stop):
    verdict = score(episode(r"\boxed{5}", 5.0, stop=stop))
    assert (verdict.reward, verdict.answer, verdict.reason) == (0.0, None, stop)


def test_a_sandbox_failure_has_no_reward():
    verdict = score(episode(r"\boxed{5}", 5.0, stop="infrastructure"))
    assert (verdict.reward, verdict.reason) == (None, "infrastructure")


def test_an_unknown_rule_and_an_unfinished_episode_are_errors():
    with pytest.raises(ValueError, match=r"rule 'exact'.* paper, sirl, orlm, mamo"):
        score(episode(r"\boxed{5}", 5.0), rule="exact")
    with pytest.raises(ValueError, match=r"'p': .*not finished"):
        score(replace(episode(r"\boxed{5}", 5.0), stop=None))


def test_a_score_round_trips():
    verdict = score(episode(r"\boxed{5}", 5.0))
    none = score(episode("", 5.0, stop="length"))
    assert from_json(Score, to_json(verdict)) == verdict
    assert from_json(Score, to_json(none)) == none
    assert to_json(verdict) == {
        "reward": 1.0,
        "answer": {"value": 5.0, "status": "number", "text": "5"},
        "reason": "correct",
        "rule": "paper",
        "feasible": None,
        "objective": None,
        "gap": None,
        "violations": [],
    }


def test_a_problem_without_accepted_answers_is_not_scored():
    with pytest.raises(ValueError, match="no accepted answers"):
        score(episode(r"\boxed{5}"))
