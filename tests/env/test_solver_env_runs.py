"""Files and cancellation for an episode's programs, in a real sandbox."""

import threading
import time

import pytest

from storm_calm.env import SolverEnv
from storm_calm.sandbox import Cancellation, Limits, RunCancelledError, open_sandbox


@pytest.fixture(scope="module")
def sandbox():
    with open_sandbox(workers=2) as opened:
        yield opened


@pytest.fixture(params=[False, True], ids=["alone", "sessions"])
def make(request, sandbox, renderer, problem):
    """Return a function that makes an environment at the start of an episode, with or without a session."""
    made = []

    def make(**options):
        limits = Limits(seconds=20, memory_mb=512)
        env = SolverEnv(sandbox, renderer, sessions=request.param, max_tokens=10_000, limits=limits, **options)
        made.append(env)
        env.reset(problem)
        return env

    yield make
    for env in made:
        env.close()


def program(code):
    return f"Let me compute.\n```python\n{code}\n```\n"


def cancel_after(cancellation, seconds):
    threading.Timer(seconds, cancellation.cancel).start()
    return time.monotonic() + seconds


def test_input_files_are_available_to_programs_and_described_in_the_prompt_but_not_in_the_question(make):
    env = make(files={"data/costs.csv": b"3,4\n"})
    assert "- data/costs.csv: CSV" in env.episode.transcript.text
    assert env.episode.problem.question == make().episode.problem.question
    read = program("print(open('data/costs.csv').read())")
    assert env.step(read).execution.stdout == "3,4\n\n"
    assert env.step(program("open('data/costs.csv', 'w').write('spoilt'); 1 / 0")).execution.status == "error"
    assert env.step(program("open('data/costs.csv', 'w').write('spoilt')")).execution.status == "ok"
    assert env.step(read).execution.stdout == "3,4\n\n"


def test_input_files_are_available_to_replayed_programs(make):
    here, there = (make(files={"n": b"41"}) for _ in range(2))
    here.step(program("n = int(open('n').read())"))
    there.restore(here.snapshot())
    result = there.step(program("print(int(open('n').read()) + 1)"))
    assert result.execution.stdout == "42\n"


@pytest.mark.alone
def test_a_cancelled_program_raises_and_leaves_the_episode_unchanged(make):
    cancellation = Cancellation()
    env = make(cancellation=cancellation)
    assert env.step(program("print(6 * 7)")).execution.stdout == "42\n"
    env.write(program("while True: pass"))
    written = env.snapshot()
    deadline = cancel_after(cancellation, 0.3)
    with pytest.raises(RunCancelledError):
        env.act()
    assert time.monotonic() < deadline + 0.5
    assert env.snapshot() == written
    assert written.stop is None
    with pytest.raises(RunCancelledError):
        env.act()


@pytest.mark.alone
def test_a_replayed_program_can_be_cancelled(sandbox, make):
    here = make()
    here.step(program("import time; time.sleep(0.6); x = 1"))
    cancellation = Cancellation()
    there = make(cancellation=cancellation)
    there.restore(here.snapshot())
    there.write(program("while True: pass"))
    deadline = cancel_after(cancellation, 0.3)
    with pytest.raises(RunCancelledError):
        there.act()
    assert time.monotonic() < deadline + 0.5
