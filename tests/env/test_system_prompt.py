"""System prompts show models how to run a program, and their worked example is true."""

import importlib

import pytest

from storm_calm.env import PROTOCOLS, Inline, Problem, ToolCall, score
from storm_calm.env.answers import last_boxed, parse_answer
from storm_calm.env.episode import Episode
from storm_calm.env.system_prompt import SOLVER_MODULES, system_prompt, worked_example
from storm_calm.env.transcript import Span, Transcript
from storm_calm.env.worked_example import ANSWER, OUTPUT, PROGRAM, QUESTION
from storm_calm.sandbox import open_sandbox

NOTATIONS = ("inline", "tool_call", "chat")


@pytest.fixture(scope="module")
def execution():
    """Return the execution of the worked example's program."""
    with open_sandbox(workers=1) as sandbox:
        return sandbox.run(PROGRAM)


def test_the_worked_example_prints_its_output(execution):
    assert (execution.status, execution.stdout) == ("ok", OUTPUT)


def test_the_answer_of_the_worked_example_is_the_solvers_optimum(execution):
    [report] = execution.reports
    answer = parse_answer(last_boxed(ANSWER))
    assert (report.status, answer.value) == ("optimal", report.objective)


@pytest.mark.parametrize("protocol", [Inline(), ToolCall()], ids=lambda protocol: protocol.name)
def test_the_environment_reads_the_worked_example_as_a_model_wrote_it(protocol, execution):
    text = worked_example(protocol.name)
    action = protocol.read(text)
    assert (action.kind, action.code.strip()) == ("code", PROGRAM.strip())
    # The output has the form of the environment's own.
    assert text[action.end :] == protocol.observation(execution, last=False) + ANSWER


def test_the_worked_example_is_a_right_episode(execution):
    problem = Problem(id="example", question=QUESTION, answers=(853.0,))
    before, _, after = worked_example("inline").partition("```output")
    spans = [Span(source="prompt", text="Q"), Span(source="model", text=before)]
    output, _, answer = f"```output{after}".partition("```\n")
    spans += [Span(source="tool", text=f"{output}```\n"), Span(source="model", text=answer, finish="end")]
    episode = Episode(
        problem=problem, transcript=Transcript(spans=tuple(spans)), executions=(execution,), stop="answer"
    )
    assert score(episode).reward == 1.0


@pytest.mark.parametrize("notation", NOTATIONS)
def test_instruct_prompts_name_a_library_that_every_sandbox_has(notation):
    assert "import pulp" in system_prompt(notation, thinking=False)
    assert "pulp" in SOLVER_MODULES
    for name in SOLVER_MODULES:
        assert name in system_prompt(notation, thinking=True)
        importlib.import_module(name)


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("thinking", [True, False])
def test_prompts_name_every_form_of_an_answer(notation, thinking):
    prompt = system_prompt(notation, thinking=thinking)
    for form in ("\\boxed{}", "\\boxed{infeasible}", "\\boxed{unbounded}"):
        assert form in prompt


@pytest.mark.parametrize("notation", NOTATIONS)
def test_thinking_prompts_are_short_and_without_an_example(notation):
    thinking, instruct = (system_prompt(notation, thinking=thinking) for thinking in (True, False))
    assert [QUESTION in prompt for prompt in (thinking, instruct)] == [False, True]
    assert len(thinking) < len(instruct) / 2


@pytest.mark.parametrize("thinking", [True, False])
def test_prompts_do_not_show_another_notation(thinking):
    assert "run_python" not in system_prompt("inline", thinking=thinking)
    assert "```" not in system_prompt("tool_call", thinking=thinking)
    assert "```" not in system_prompt("chat", thinking=thinking)
    assert "<tool_call>" not in system_prompt("chat", thinking=thinking)


def test_protocols_start_with_the_thinking_prompt_by_default():
    for name, protocol in PROTOCOLS.items():
        assert protocol.instructions == system_prompt(name, thinking=True)
