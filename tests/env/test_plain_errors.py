"""Models that were trained on the protocol see errors without help; other models see it."""

import pytest

from storm_calm.env import Problem, SolverEnv
from storm_calm.env.plain_errors import without_help
from storm_calm.sandbox import Execution, Limits, Sandbox

TRACEBACK = 'Traceback (most recent call last):\n  File "main.py", line 2, in <module>\n    slover\n'
ERROR = "NameError: name 'slover' is not defined"
HELP = "Help: Use `solver`."
FULL = f"{TRACEBACK}{ERROR}. Did you mean: 'solver'?\n{HELP}\n"


def failed(stderr=FULL, **fields):
    return Execution(
        **{"code": "slover", "status": "error", "exit_code": 1, "isolation": "full", "backend": "x", **fields},
        stderr=stderr,
    )


class FailingSandbox(Sandbox):
    limits = Limits()

    def execute(self, program, cancellation=None):
        return failed()

    def session(self, *, limits=None):
        raise NotImplementedError

    def close(self):
        pass


class Renderer:
    context = None
    hint_marks = ("", "")

    def __init__(self, instructions):
        self.instructions = instructions

    def render(self, messages):
        return messages[-1]["content"]

    def encode(self, text):
        return None

    encode_marked = encode


def test_help_and_suggestion_are_removed_and_nothing_else():
    assert without_help(failed()).stderr.strip() == TRACEBACK + ERROR
    assert without_help(failed(TRACEBACK + ERROR)).stderr == TRACEBACK + ERROR
    assert without_help(failed("x. Did you mean: 'y'?\nx\n")).stderr == "x. Did you mean: 'y'?\nx\n"
    done = failed(status="ok", exit_code=0)
    assert without_help(done) is done


@pytest.mark.parametrize(("instructions", "helped"), [("", False), (None, True), ("Be brief.", True)])
def test_only_models_with_instructions_see_help(instructions, helped):
    env = SolverEnv(FailingSandbox(), Renderer(instructions))
    env.reset(Problem(id="p", question="How many?", answers=(1.0,)))
    observation = env.step("```python\nslover\n```\n").observation
    assert (HELP in observation, "Did you mean" in observation) == (helped, helped)
    assert ERROR in observation
    assert env.episode.executions[0].help == HELP
