"""Rewards: components, bounds, and the advantages that follow from them."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage

from storm_calm.agents.triggers import findings
from storm_calm.agents.verdict import check_answer
from storm_calm.env import Episode, Finding, Problem, SolverEnv, Span, Transcript, Usage, run_episode, score
from storm_calm.env.plans.checks import Check
from storm_calm.rl.rollout.rewards import (
    MARGIN,
    MAX_FINDINGS,
    REWARD_NAMES,
    Reward,
    RewardSettings,
    compute_reward,
    excess,
    well_formed,
)
from support.scripted_policy import ANSWERING, FAILING, GUESSING, INVENTING, SOLVING, ScriptedPolicy

ALL = {"plan": 0.2, "solver": 0.1, "format": 0.1, "length": 0.2, "process": 0.05}
UNSOLVED = "</think>\nThe answer is \\boxed{21}."
UNSENSED = SOLVING.replace("Maximize", "Minimize")
"""A program that minimizes a profit, which a rule finds."""


def settings(**values):
    return RewardSettings.of(values, response_length=1000)


@pytest.fixture
def played(renderer, sandbox, workshop):
    """A function that plays texts with records of the solves, and returns the reward under the given settings."""

    def played(*texts, **weights):
        script = ScriptedPolicy(renderer, texts)
        episode = run_episode(SolverEnv(sandbox, script, record=True), script, workshop)
        scored = score(episode)
        check = check_answer(episode, sandbox) if scored.reward == 1.0 else None
        return compute_reward(episode, scored, check, findings(episode), settings(**weights))

    return played


@pytest.mark.slow
@pytest.mark.parametrize(
    "texts",
    [(SOLVING, ANSWERING), (FAILING, SOLVING, ANSWERING), (UNSOLVED,), (GUESSING,), (INVENTING, ANSWERING), ("",)],
)
def test_without_weights_the_reward_is_that_of_the_score(played, texts):
    reward = played(*texts)
    assert reward == Reward(correct=reward.correct)
    assert reward.total == reward.correct == float(texts[-1] in (ANSWERING, UNSOLVED))
    assert tuple(reward.to_dict()) == REWARD_NAMES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((SOLVING, ANSWERING), {"correct": 1.0, "plan": 0.2, "solver": 0.1, "format": 0.1}),
        ((FAILING, SOLVING, ANSWERING), {"correct": 1.0, "plan": 0.2, "solver": 0.1, "format": 0.1}),
        ((UNSOLVED,), {"correct": 1.0, "format": 0.1, "process": -0.05}),
        ((GUESSING,), {"correct": 0.0, "format": 0.1, "process": -0.05}),
        ((SOLVING, "The answer is \\boxed{21}."), {"correct": 1.0, "plan": 0.2, "solver": 0.1}),
        (("x = \n```python\nfor in\n```\n", ANSWERING), {"correct": 1.0, "process": -0.05}),
        ((UNSENSED, "</think>\n\\boxed{0}"), {"correct": 0.0, "format": 0.1, "process": -0.05}),
        (("",), {"correct": 0.0, "process": -0.05}),
    ],
)
def test_each_component_has_its_weight_and_its_evidence(played, texts, expected):
    reward = played(*texts, **{**ALL, "length": 0.0})
    assert reward == Reward(**expected)
    assert reward.total == pytest.approx(sum(expected.values()))


def test_the_length_penalty_is_dapos_soft_overlong_punishment():
    # DAPO: (L_max - L_cache - |y|) / L_cache between L_max - L_cache and L_max; 0 before, -1 after.
    longest, cache = 1000, 200
    for tokens in (0, 800, 801, 900, 999, 1000, 1500):
        expected = min(0.0, max(-1.0, (longest - cache - tokens) / cache))
        assert -excess(tokens, settings()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "formed"),
    [
        ("Let me see.</think>\nIt is \\boxed{3}.", True),
        ("Let me see. It is \\boxed{3}.", False),
        ("It is \\boxed{3}.</think>\nDone.", False),
        ("a<think>b</think>c</think>\\boxed{3}", False),
        ("a</think>b</think>\\boxed{3}", False),
        ("a</think>b<think>\\boxed{3}", False),
        ("a</think>b<think>c</think>\\boxed{3}", True),
    ],
)
def test_thoughts_must_be_closed_before_the_box(text, formed):
    assert well_formed(finished(text)) is formed


def test_a_model_without_thoughts_has_nothing_to_close():
    assert well_formed(finished("It is \\boxed{3}.", prompt="What is <think>?\n"))
    assert not well_formed(finished("So.</think> It is \\boxed{3}.", prompt="What?\n"))


def finished(text, *, prompt="What?\n<think>\n", tokens=10):
    spans = (Span(source="prompt", text=prompt), Span(source="model", text=text))
    problem = Problem(id="three", question="What?", answers=(3.0,))
    return Episode(problem=problem, transcript=Transcript(spans=spans), stop="answer", usage=Usage(model_tokens=tokens))


EPISODES = st.builds(
    lambda answer, closed, tokens: finished(f"So{'</think>' * closed} \\boxed{{{answer}}}", tokens=tokens),
    answer=st.sampled_from(["3", "4", "?"]),
    closed=st.booleans(),
    tokens=st.integers(0, 2000),
)
CHECKS = st.sampled_from([None, *(Check(outcome=outcome) for outcome in ("passed", "failed", "unknown"))])
FINDINGS = st.integers(0, 12).map(lambda count: [Finding(trigger="wrong_formulation", offset=0, evidence="")] * count)
WEIGHTS = st.fixed_dictionaries({}, optional={name: st.floats(0, 1) for name in ALL})


@given(EPISODES, EPISODES, CHECKS, CHECKS, FINDINGS, FINDINGS, WEIGHTS, st.integers(0, 999))
def test_no_wrong_answer_earns_as_much_as_a_correct_one(one, other, check, other_check, found, others, weights, soft):
    try:
        chosen = settings(**weights, soft_limit=soft)
    except ValueError:
        assume(False)
    rewards = [
        compute_reward(episode, score(episode), *evidence, chosen)
        for episode, *evidence in ((one, check, found), (other, other_check, others))
    ]
    lowest, highest = -chosen.length - MAX_FINDINGS * chosen.process, 1 + chosen.plan + chosen.solver + chosen.format
    assert all(lowest - 1e-9 <= reward.total <= highest + 1e-9 for reward in rewards)
    wrong, right = sorted(rewards, key=lambda reward: reward.correct)
    if wrong.correct < right.correct:
        assert wrong.total <= right.total - MARGIN + 1e-9


def test_an_episode_without_a_score_has_no_reward(workshop):
    lost = Episode(problem=workshop, stop="infrastructure")
    with pytest.raises(ValueError, match=r"problem 'workshop': no reward, since it has no score \(infrastructure\)"):
        compute_reward(lost, score(lost), None, [], settings(**ALL))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"length": -0.1}, r"storm.reward.length is -0.1; give a weight from 0 to 1"),
        ({"plan": 2}, r"storm.reward.plan is 2; give a weight"),
        ({"format": float("nan")}, r"storm.reward.format is nan"),
        ({"solver": "high"}, r"storm.reward.solver is 'high'"),
        ({"process": True}, r"storm.reward.process is True"),
        ({"brevity": 0.1}, r"unknown setting storm.reward.brevity; give one of plan, solver"),
        (
            {"soft_limit": 1000},
            r"storm.reward.soft_limit is 1000; give fewer tokens than data.max_response_length=1000",
        ),
        ({"process": 0.2}, r"format \+ length \+ 5 \* process is 1; make it at most 0.9"),
        ({"format": 0.5, "length": 0.5}, r"format \+ length \+ 5 \* process is 1; make it at most 0.9"),
    ],
)
def test_invalid_settings_are_errors_that_name_them(values, message):
    with pytest.raises(ValueError, match=message):
        settings(**values)


def advantages(totals):
    rewards = torch.tensor(totals).unsqueeze(-1)
    group = np.array(["a"] * len(totals), dtype=object)
    found, _ = compute_grpo_outcome_advantage(rewards, torch.ones_like(rewards), group)
    return found.squeeze(-1).tolist()


def test_in_a_group_of_correct_answers_only_the_options_give_advantages():
    def total(tokens, **weights):
        episode = finished("So</think> \\boxed{3}", tokens=tokens)
        return compute_reward(episode, score(episode), None, [], settings(**weights)).total

    assert advantages([total(tokens) for tokens in (100, 850, 950)]) == [0.0, 0.0, 0.0]
    for weight in (0.01, 0.5):  # GRPO divides by the deviation of the group: even a small weight counts fully.
        short, long, longest = advantages([total(tokens, length=weight) for tokens in (100, 850, 950)])
        assert short > long > longest
        assert short == pytest.approx(0.87, abs=0.01)
