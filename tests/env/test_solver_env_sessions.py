"""An episode in one session: programs share their state, and a cut in the transcript rewinds it."""

import contextlib
import os
from pathlib import Path

import pytest

from storm_calm.env import Finding, SolverEnv
from storm_calm.env.serialize import from_json, to_json
from storm_calm.sandbox import MAX_CODE_BYTES, Limits, open_sandbox


@pytest.fixture(scope="module")
def sandbox():
    with open_sandbox(workers=2) as opened:
        yield opened


@pytest.fixture
def env(sandbox, renderer, problem):
    env = SolverEnv(sandbox, renderer, sessions=True, max_tokens=10_000, limits=Limits(seconds=5, memory_mb=512))
    env.reset(problem)
    yield env
    env.close()


def program(code):
    return f"Let me compute.\n```python\n{code}\n```\n"


def printed(result):
    assert result.kind == "execute"
    return result.execution.stdout


def hint(env, words):
    text = env.episode.transcript.text
    env.intervene(Finding(trigger="wrong_formulation", offset=text.index(words), evidence=words), "Let me redo this.")


def test_a_program_sees_the_state_of_earlier_ones(env):
    env.step(program("x = 41"))
    assert printed(env.step(program("x += 1; print(x)"))) == "42\n"


def test_without_sessions_programs_share_no_state(sandbox, renderer, problem):
    env = SolverEnv(sandbox, renderer)
    env.reset(problem)
    env.step(program("x = 41"))
    assert "NameError" in env.step(program("print(x)")).observation


def test_a_failing_program_leaves_the_session_unchanged(env):
    env.step(program("x = 1"))
    assert "ZeroDivisionError" in env.step(program("x = 2; 1 / 0")).observation
    assert printed(env.step(program("print(x)"))) == "1\n"


def test_a_malformed_call_is_no_block_of_the_session(env):
    env.step(program("x = 1"))
    assert env.step("<tool_call>{}</tool_call>").execution.status == "malformed_call"
    assert printed(env.step(program("x += 1; print(x)"))) == "2\n"
    hint(env, "x += 1")
    assert printed(env.step(program("x += 2; print(x)"))) == "3\n"


def test_an_intervention_rewinds_the_session(env):
    env.step(program("x = 1; open('f', 'w').close()"))
    env.step(program("x = 2; open('g', 'w').close()"))
    env.step(program("x = 3"))
    hint(env, "x = 2")
    assert len(env.episode.executions) == 1
    result = env.step(program("import os; print(x, [f for f in sorted(os.listdir()) if len(f) == 1])"))
    assert (printed(result), result.execution.replayed) == ("1 ['f']\n", 0)
    hint(env, "Let me compute")
    assert "NameError" in env.step(program("print(x)")).observation


def test_restoring_a_snapshot_restores_the_session(env):
    env.step(program("x = 1"))
    early = env.snapshot()
    env.step(program("x = 2"))
    late = env.snapshot()
    for _ in range(2):
        env.restore(early)
        assert printed(env.step(program("print(x)"))) == "1\n"
        env.restore(late)
        assert printed(env.step(program("print(x)"))) == "2\n"


def test_another_environment_replays_the_session(env, sandbox, renderer):
    env.step(program("x = [1]"))
    env.step(program("x.append(2); 1 / 0"))
    env.step(program("x.append(3)"))
    other = SolverEnv(sandbox, renderer, sessions=True, max_tokens=10_000)
    other.restore(from_json(type(env.snapshot()), to_json(env.snapshot())))
    result = other.step(program("print(x)\nraise ValueError"))
    assert printed(result) == "[1, 3]\n"
    assert 'File "block_4.py", line 2' in result.observation
    other.close()


def test_a_failed_replay_stops_with_infrastructure(env, sandbox, renderer, tmp_path):
    env.step(program("x = 1"))
    episode = env.snapshot()
    changed = to_json(episode)
    changed["executions"][0]["code"] = "1 / 0"
    env.restore(from_json(type(episode), changed))
    result = env.step(program("print(x)"))
    assert result.stop == "infrastructure"
    assert "rerun" in result.observation


def test_observations_are_the_same_with_and_without_sessions(env, sandbox, renderer, problem):
    alone = SolverEnv(sandbox, renderer, max_tokens=10_000)
    alone.reset(problem)
    leave_a_thread = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\nprint(1)"
    for code in (leave_a_thread, "print(2)"):
        assert env.step(program(code)).observation == alone.step(program(code)).observation
    assert env.episode.executions[-1].replayed == 1


def test_a_new_episode_starts_with_an_empty_session(env, problem):
    env.step(program("x = 1"))
    env.reset(problem)
    assert "NameError" in env.step(program("print(x)")).observation


@pytest.mark.parametrize("sessions", [False, True])
def test_a_program_over_the_size_limit_is_malformed(sandbox, renderer, problem, sessions):
    env = SolverEnv(sandbox, renderer, sessions=sessions, max_tokens=100_000_000)
    env.reset(problem)
    assert env.step(program("x = '" + "é" * (MAX_CODE_BYTES // 2) + "'")).stop == "malformed"
    assert env.episode.executions == ()
    env.close()


def test_close_ends_the_processes_of_the_session(env):
    name = os.urandom(7).hex()
    env.step(program(f"import ctypes\nctypes.CDLL(None).prctl(15, b'{name}', 0, 0, 0)"))

    def named():
        found = 0
        for path in Path("/proc").glob("[0-9]*/comm"):
            with contextlib.suppress(OSError):
                found += path.read_text().strip() == name
        return found

    assert named() == 1
    env.close()
    assert named() == 0
