"""The majority is the largest group of equal answers, chosen without knowledge of the label."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.agents.evaluation.majority_vote import FEASIBLE, TOLERANCE, majority_reward, majority_vote, vote_of
from storm_calm.env import Score
from storm_calm.env.answers import Answer

finite = st.floats(-1e9, 1e9)
distinct = st.sampled_from([-3.0, 0.0, 2.0, 2.1, 1e6, "infeasible", "unbounded"])
"""Answers no two of which agree."""
votes = st.lists(distinct | st.none(), max_size=12)


@pytest.mark.parametrize(
    ("given_", "winner"),
    [
        ([], None),
        ([None, None], None),
        ([None, 5.0], 1),
        ([5.0, 7.0, 7.0], 1),
        ([5.0, 7.0, 7.0, 5.0], 0),
        ([7.0, "infeasible", "infeasible", None, None, None], 1),
        (["infeasible", "unbounded", "unbounded"], 1),
        ([100.0, 3.0, 3.0 + 1e-7, 3.0 - 1e-7, 100.0], 1),
        ([1e9, 1e9 + 1, 5.0], 0),
        ([1e9 + 5000, 1e9, 1e9 + 1], 1),
    ],
)
def test_the_largest_group_wins_and_then_the_earliest(given_, winner):
    assert majority_vote(given_) == winner


@given(votes)
def test_the_winner_is_a_most_common_answer(found):
    winner = majority_vote(found)
    answers = [one for one in found if one is not None]
    if not answers:
        assert winner is None
        return
    most = max(map(answers.count, answers))
    assert answers.count(found[winner]) == most
    assert winner == min(found.index(one) for one in answers if answers.count(one) == most)


@given(votes, st.randoms())
def test_a_unique_majority_does_not_depend_on_the_order(found, rng):
    answers = [one for one in found if one is not None]
    counts = sorted((answers.count(one) for one in set(answers)), reverse=True)
    if len(counts) > 1 and counts[0] == counts[1]:
        return
    mixed = rng.sample(found, len(found))
    before, after = majority_vote(found), majority_vote(mixed)
    assert (before is None) == (after is None)
    assert before is None or found[before] == mixed[after]


@given(votes, st.integers(0, 12))
def test_samples_without_an_answer_do_not_vote(found, place):
    more = [*found[:place], None, *found[place:]]
    before, after = majority_vote(found), majority_vote(more)
    assert (None if before is None else found[before]) == (None if after is None else more[after])


@given(finite, st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_nearly_equal_numbers_agree_with_each_other(value, errors):
    near = [value + error * 0.4 * TOLERANCE * max(1.0, abs(value)) for error in errors]
    assert majority_vote(["infeasible"] * (len(near) - 1) + near) == len(near) - 1


@given(st.lists(finite | st.sampled_from(["infeasible"]) | st.none(), min_size=1, max_size=10), st.randoms())
def test_a_clear_majority_wins_whatever_the_others_answer(others, rng):
    mixed = rng.sample([*others, *["unbounded"] * (len(others) + 1)], 2 * len(others) + 1)
    assert mixed[majority_vote(mixed)] == "unbounded"


@given(st.lists(st.tuples(distinct | st.none(), st.sampled_from([0.0, 1.0])), max_size=12))
def test_the_reward_is_that_of_the_winner_and_does_not_choose_it(samples):
    winner = majority_vote([vote for vote, _ in samples])
    assert majority_reward(samples) == (0.0 if winner is None else samples[winner][1])


def test_the_vote_of_a_sample_is_its_answer_or_the_objective_of_its_feasible_plan():
    number = Answer(value=5.0, status="number", text="5")
    none = Answer(value=None, status="infeasible", text="infeasible")

    def vote(answer, reason="correct", **plan):
        return vote_of(Score(reward=1.0, answer=answer, reason=reason, rule="paper", **plan))

    assert (vote(number), vote(none), vote(None)) == (5.0, "infeasible", None)
    assert vote(number, feasible=True, objective=6.0) == 6.0
    assert vote(None, feasible=True) == FEASIBLE
    assert vote(number, "infeasible_plan", feasible=False, objective=6.0) is None
    assert vote(number, "no_output") is None
