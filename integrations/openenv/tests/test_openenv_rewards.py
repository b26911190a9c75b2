"""Episodes over loopback: rewards, isolation of sessions, and what clients get to see."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from openenv.core import GenericEnvClient
from running_openenv_server import running_server
from scripted_transcripts import our_reward, scripted_transcripts

from storm_calm.env import Problem
from storm_calm.sandbox import SandboxUnavailableError
from storm_openenv import StormAction, StormEnv


def replay(url, transcripts):
    """Replay transcripts in one session, and return their rewards."""
    rewards = []
    with StormEnv(base_url=url).sync() as env:
        for one in transcripts:
            result = env.reset(problem_id=one.problem.id)
            actions = [StormAction(code=program) for program in one.programs]
            for action in [*actions, StormAction(answer=one.message, truncated=one.truncated)]:
                if not result.done:
                    result = env.step(action)
            rewards.append(result.reward)
    return rewards


def test_rewards_equal_ours_on_200_transcripts_of_two_concurrent_clients(sandbox):
    transcripts = scripted_transcripts(200)
    problems = [transcript.problem for transcript in transcripts]
    with running_server(problems=problems, sandbox=sandbox) as url, ThreadPoolExecutor(2) as pool:
        ours = list(pool.map(lambda transcript: our_reward(transcript, sandbox), transcripts))
        first, second = pool.map(lambda part: replay(url, part), (transcripts[:100], transcripts[100:]))
    theirs = [*first, *second]
    differing = [one.kind for one, our, their in zip(transcripts, ours, theirs, strict=True) if our != their]
    assert differing == []
    assert min(Counter(theirs)[reward] for reward in (0.0, 1.0)) > 50


@pytest.fixture(scope="module")
def url(sandbox):
    with running_server(sandbox=sandbox) as url:
        yield url


def test_sessions_are_isolated(url):
    with StormEnv(base_url=url).sync() as one, StormEnv(base_url=url).sync() as other:
        one.reset(seed=1, family="knapsack", episode_id="one")
        other.reset(seed=2, family="diet", episode_id="other")
        one.step(StormAction(code="print(1)"))
        assert (one.state().family, one.state().executions, one.state().episode_id) == ("knapsack", 1, "one")
        assert (other.state().family, other.state().executions, other.state().episode_id) == ("diet", 0, "other")
        assert one.step(StormAction(answer="\\boxed{-1}")).done
        assert not other.state().done


def test_the_same_seed_gives_the_same_problem(url):
    with StormEnv(base_url=url).sync() as env:
        questions = [env.reset(seed=seed, split="heldout").observation.question for seed in (5, 5, 6)]
        assert questions[0] == questions[1] != questions[2]
        assert env.reset(seed=5, split="train").observation.question != questions[0]


def test_a_random_seed_is_reported(url):
    with StormEnv(base_url=url).sync() as env:
        question = env.reset(family="diet").observation.question
        assert env.reset(family="diet", seed=env.state().seed).observation.question == question


def test_no_message_has_the_accepted_answer(sandbox):
    problem = Problem(id="mix", question="How much?", answers=(7654321.25,))
    with running_server(problems=[problem], sandbox=sandbox) as url, GenericEnvClient(base_url=url).sync() as env:
        seen = [env.reset(), env.step({"code": "print(1)"}), env.step({"answer": "\\boxed{1}"}), env.state()]
        assert "7654321" not in json.dumps(seen, default=vars)


def test_the_fifth_program_ends_the_episode(url):
    with StormEnv(base_url=url).sync() as env:
        env.reset(seed=1)
        results = [env.step(StormAction(code=f"print({number})")) for number in range(5)]
    assert [result.observation.executions_left for result in results] == [3, 2, 1, 0, 0]
    assert results[3].observation.output == "3\n(That was the last run; now give the final answer.)"
    assert (results[4].done, results[4].reward, results[4].observation.reason) == (True, 0.0, "budget")


def test_a_fault_of_the_sandbox_is_an_error_and_the_step_can_be_repeated(url, sandbox, monkeypatch):
    def fail(*_, **__):
        raise SandboxUnavailableError("the fork server has ended")

    with StormEnv(base_url=url).sync() as env:
        env.reset(seed=1)
        with monkeypatch.context() as patch:
            patch.setattr(sandbox, "execute", fail)
            with pytest.raises(RuntimeError, match="fork server has ended"):
                env.step(StormAction(code="print(1)"))
        assert not env.state().done
        assert env.step(StormAction(code="print(2)")).observation.output == "2"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "unknown"}, "unknown"),
        ({"split": "test"}, "split"),
        ({"seed": -1}, "seed"),
        ({"seed": "7"}, "seed"),
        ({"color": "red"}, "color"),
        ({"problem_id": "mix"}, "no problem file"),
    ],
)
def test_invalid_options_are_named(url, options, message):
    with GenericEnvClient(base_url=url).sync() as env:
        with pytest.raises(RuntimeError, match=message):
            env.reset(**options)
        assert env.reset(seed=1).observation["question"]


def test_steps_without_an_episode_and_invalid_actions_are_refused(url):
    with GenericEnvClient(base_url=url).sync() as env:
        with pytest.raises(RuntimeError, match="send a reset first"):
            env.step({"code": "print(1)"})
        env.reset(seed=1)
        for action in ({}, {"code": "1", "answer": "2"}, {"code": "1", "truncated": True}, {"code": 3}, {"text": "1"}):
            with pytest.raises(RuntimeError, match="Invalid message"):
                env.step(action)
        assert env.step({"answer": "none"}).done
        with pytest.raises(RuntimeError, match="send a reset first"):
            env.step({"answer": "none"})


def test_problems_without_accepted_answers_are_refused(sandbox):
    with (
        pytest.raises(ValueError, match="no accepted answers"),
        running_server(problems=[Problem(id="open", question="How many?", answers=())], sandbox=sandbox),
    ):
        pass
