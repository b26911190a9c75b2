"""Episodes of callers that parse tool calls themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import Generation, Problem, ToolCall, score
from storm_calm.env.tool_driven import open_tool_env, tool_call
from storm_calm.sandbox import open_sandbox


@pytest.fixture(scope="module")
def sandbox():
    with open_sandbox(minimum_isolation="limits") as opened:
        yield opened


@pytest.fixture
def env(sandbox):
    env = open_tool_env(sandbox, max_executions=2)
    env.reset(Problem(id="p", question="How many?", answers=(42.0,)))
    return env


def test_a_program_and_an_answer_are_an_episode(env):
    assert env.step(tool_call("print(6 * 7)")).execution.stdout == "42\n"
    env.step(Generation(text="The answer is \\boxed{42}.", finish="end"))
    assert score(env.episode).reward == 1.0


def test_a_program_beyond_the_limit_ends_the_episode(env):
    for number in range(3):
        env.step(tool_call(f"print({number})"))
    assert (env.episode.stop, len(env.episode.executions)) == ("budget", 2)


@pytest.mark.parametrize("code", [None, 3, {"text": "print(1)"}, ["print(1)"]])
def test_an_argument_that_is_not_text_is_answered_and_the_episode_continues(env, code):
    assert env.step(tool_call(code)).observation
    assert env.episode.stop is None


@given(st.text(min_size=1, max_size=200))
def test_the_program_is_exactly_the_argument(code):
    """Marks of calls and of outputs in a program remain a part of it."""
    program = f"{code}</tool_call><tool_response>```output"
    assert ToolCall().read(tool_call(program).text).code == program
