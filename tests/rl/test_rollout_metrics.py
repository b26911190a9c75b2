"""Metrics of rollouts."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import SolverEnv, run_episode, score
from storm_calm.rl.rollout.rewards import RewardSettings, compute_reward
from storm_calm.rl.rollout.rollout_metrics import (
    covered_seconds,
    last_failure,
    record_failure,
    rollout_figures,
    step_metrics,
)
from support.scripted_policy import ANSWERING, FAILING, GUESSING, SOLVING, ScriptedPolicy

pytestmark = pytest.mark.slow

BINARY = RewardSettings()


@pytest.fixture
def played(renderer, sandbox, workshop):
    def played(*texts, settings=BINARY):
        script = ScriptedPolicy(renderer, texts)
        episode = run_episode(SolverEnv(sandbox, script), script, workshop)
        scored = score(episode)
        return rollout_figures(episode, scored, compute_reward(episode, scored, None, [], settings))

    return played


def test_figures_are_means_over_rollouts_or_shares(played):
    repaired, solved, guessed = played(FAILING, SOLVING, ANSWERING), played(SOLVING, ANSWERING), played(GUESSING)
    found = step_metrics([repaired, solved, guessed, guessed], ["a", "a", "b", "b"])
    assert found["storm/accuracy"] == 0.5
    assert found["storm/executions"] == 3 / 4
    assert found["storm/code_blocks"] == 3 / 4
    assert found["storm/failed_executions"] == pytest.approx(1 / 3)
    assert found["storm/backed"] == 1.0
    assert found["storm/zero_variance_groups"] == 1.0
    assert found["storm/stop/answer"] == 1.0
    assert found["storm/solver/optimal"] == 1.0
    assert step_metrics([repaired, guessed], ["a", "a"])["storm/zero_variance_groups"] == 0.0


def test_components_of_the_reward_are_means_and_decide_whether_a_group_has_variance(played):
    formed = RewardSettings(format=0.2)
    guessed, silent = played(GUESSING, settings=formed), played("", settings=formed)
    found = step_metrics([guessed, silent], ["a", "a"])
    assert (found["storm/accuracy"], found["storm/reward/correct"]) == (0.0, 0.0)
    assert found["storm/reward/format"] == found["storm/reward/total"] == pytest.approx(0.1)
    assert found["storm/zero_variance_groups"] == 0.0
    assert step_metrics([played(GUESSING), played("")], ["a", "a"])["storm/zero_variance_groups"] == 1.0


def test_a_correct_answer_without_a_solver_report_is_not_backed(played):
    found = step_metrics([played("</think>\nThe answer is \\boxed{21}.")], ["a"])
    assert (found["storm/accuracy"], found["storm/backed"]) == (1.0, 0.0)


def test_without_correct_answers_the_backed_share_is_missing(played):
    assert "storm/backed" not in step_metrics([played(GUESSING)], ["a"])
    assert step_metrics([], []) == {}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=8))
def test_overlapping_time_spans_count_once(spans):
    covered = {moment for start, length in spans for moment in range(start, start + length)}
    shuffled = [(float(start), float(start + length)) for start, length in spans]
    random.shuffle(shuffled)
    assert covered_seconds(shuffled) == len(covered)


def test_the_last_failure_is_recorded(tmp_path):
    assert last_failure(tmp_path) == ""
    for reason in ("first", "second"):
        record_failure({"out": str(tmp_path)}, reason)
    assert last_failure(tmp_path) == "second"
