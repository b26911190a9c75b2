"""Rewards of the TRL environments."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from scripted_transcripts import our_reward, scripted_transcripts

from storm_calm.env import Problem
from storm_calm.sandbox import SandboxUnavailableError, open_sandbox
from storm_trl import StormEnvironment, SubmitEnvironment, answer_reward, problem_dataset

END, OTHER = 2, 7
TOKENIZER = SimpleNamespace(eos_token_id=END, pad_token_id=0)


@pytest.fixture(scope="module")
def sandbox():
    with open_sandbox() as sandbox:
        yield sandbox


def reset(environment, problem):
    """Reset the environment with a row, as the trainer does."""
    assert environment.reset(**problem_dataset([problem])[0]) is None


def replay(environment, transcript):
    """Replay a transcript as TRL does, and return its reward."""
    reset(environment, transcript.problem)
    for program in transcript.programs:
        environment.run_python(program)
    [reward] = answer_reward(TOKENIZER)(
        completions=[[{"role": "assistant", "content": transcript.message}]],
        completion_ids=[[OTHER, OTHER if transcript.truncated else END]],
        environments=[environment],
        prompts=None,
    )
    return reward


def test_rewards_equal_ours_on_200_transcripts(sandbox):
    transcripts = scripted_transcripts(200)
    with ThreadPoolExecutor(4) as pool:
        ours = list(pool.map(lambda transcript: our_reward(transcript, sandbox), transcripts))
        theirs = list(pool.map(lambda transcript: replay(StormEnvironment(sandbox), transcript), transcripts))
    differing = [one.kind for one, our, their in zip(transcripts, ours, theirs, strict=True) if our != their]
    assert differing == []
    assert Counter(theirs).keys() == {0.0, 1.0}
    assert min(Counter(theirs).values()) > 50


def test_submitted_answers_are_scored_like_boxed_ones(sandbox):
    environment = SubmitEnvironment(sandbox)
    [first, second] = scripted_transcripts(2)
    for problem, answer, reward in (
        (first.problem, f"{first.problem.answers[0]:.6f}", 1.0),
        (first.problem, f"\\boxed{{{first.problem.answers[0]:.6f}}}", 1.0),
        (second.problem, "-1.5", 0.0),
        (second.problem, "infeasible", 0.0),
    ):
        reset(environment, problem)
        environment.run_python("print(1)")
        environment.submit_answer(answer)
        environment.submit_answer("0")
        assert environment.get_reward() == reward


def test_without_a_submitted_answer_the_reward_is_0(sandbox):
    environment = SubmitEnvironment(sandbox)
    reset(environment, scripted_transcripts(1)[0].problem)
    assert environment.get_reward() == 0.0


def test_a_fault_of_the_sandbox_excludes_the_rollout(sandbox, monkeypatch):
    environment = SubmitEnvironment(sandbox)
    transcript = scripted_transcripts(1)[0]
    reset(environment, transcript.problem)

    def fail(*_, **__):
        raise SandboxUnavailableError("the fork server has ended")

    monkeypatch.setattr(sandbox, "execute", fail)
    assert "sandbox failed" in environment.run_python("print(1)")
    environment.submit_answer("1")
    assert environment.get_reward() is None
    assert replay(StormEnvironment(sandbox), transcript) is None


def test_a_problem_without_accepted_answers_excludes_the_rollout(sandbox):
    environment = SubmitEnvironment(sandbox)
    reset(environment, Problem(id="open", question="How many?", answers=()))
    environment.submit_answer("3")
    assert environment.get_reward() is None


def test_outputs_are_those_of_the_environment(sandbox):
    environment = StormEnvironment(sandbox)
    reset(environment, scripted_transcripts(1)[0].problem)
    assert environment.run_python("print(6 * 7)") == "42"
    assert environment.run_python("print('a' * 2000)") == f"{'a' * 400}...{'a' * 400}"
    assert "ZeroDivisionError" in environment.run_python("1 / 0")
    assert environment.run_python("pass") == "(no output)\n(That was the last run; now give the final answer.)"
    assert environment.run_python("print(1)").startswith("Nothing ran")
    assert len(environment.episode.env.episode.executions) == 4


def test_calls_without_a_program_are_answered_with_an_error(sandbox):
    environment = StormEnvironment(sandbox)
    reset(environment, scripted_transcripts(1)[0].problem)
    for argument in (None, 3, {"a": 1}):
        assert "CallError" in environment.run_python(argument)


def test_a_rollout_that_ends_with_a_tool_result_has_no_answer(sandbox):
    environment = StormEnvironment(sandbox)
    reset(environment, scripted_transcripts(1)[0].problem)
    completion = [{"role": "assistant", "content": "\\boxed{1}"}, {"role": "tool", "content": "\\boxed{1}"}]
    rewards = answer_reward(TOKENIZER)(completions=[completion], completion_ids=[[END]], environments=[environment])
    assert rewards == [0.0]


def test_datasets_show_the_question_and_not_the_answer():
    problem = Problem(id="mix", question="How much?", answers=(1234.5,))
    row = problem_dataset([problem])[0]
    assert [message["role"] for message in row["prompt"]] == ["system", "user"]
    assert row["prompt"][1]["content"] == "How much?"
    assert "1234.5" not in json.dumps(row["prompt"])
    assert [message["role"] for message in problem_dataset([problem], instructions="")[0]["prompt"]] == ["user"]
    with pytest.raises(ValueError, match="no problems"):
        problem_dataset([])
