"""No attack in `reward_attacks` gets a reward, escapes a score of 0, or spoils the transcript's ids and masks."""

import os

import pytest

from storm_calm.agents.verdict import backed_by_report
from storm_calm.env import Episode, Finding, Generation, Problem, SolverEnv, ToolCall, score
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.serialize import from_json, to_json
from storm_calm.sandbox import Limits, SandboxUnavailableError, open_sandbox
from support.reward_attacks import (
    ATTACKS,
    FORGED,
    LEAKS,
    MARKS,
    PROGRAMS,
    SECRET,
    SESSIONS,
    TOOL_CALLS,
    Attack,
    boxed,
    program,
)

pytestmark = pytest.mark.slow

LIMITS = Limits(seconds=1.5, memory_mb=300, processes=64)
END = 0  # the id of the end of a turn
PAIRS = [(attack, False) for attack in ATTACKS if attack.kind != "session"] + [(attack, True) for attack in SESSIONS]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    """A sandbox with the accepted answer in a file, in the environment and in this process."""
    planted = tmp_path_factory.mktemp("planted") / "answers.jsonl"
    planted.write_text(f'{{"answers": [{SECRET}]}}\n')
    planted.chmod(0o644)
    os.environ["STORM_TEST_ANSWER"] = str(SECRET)
    try:
        with open_sandbox(isolation="full", minimum_isolation="full", workers=2, limits=LIMITS) as opened:
            yield opened
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    finally:
        del os.environ["STORM_TEST_ANSWER"]


def play(sandbox, renderer, attack, *, sessions=False, protocol=None):
    """Return the finished episode of an attack and the sampled ids of each turn."""
    env = SolverEnv(sandbox, renderer, max_tokens=attack.tokens, sessions=sessions, protocol=protocol)
    env.reset(Problem(id="attacked", question=attack.question, answers=(attack.answer,)))
    sampled = []
    for text in attack.turns():
        if env.episode.stop is not None:
            break
        ids, ends = renderer.encode(text)
        finish = "stop" if text.endswith(env.protocol.stop) else "end"
        if finish == "end":
            ids, ends = (*ids, END), (*ends, len(text))
        if len(ids) > env.remaining:
            ids, ends, finish = ids[: env.remaining], ends[: env.remaining], "length"
        sampled.append(ids)
        env.step(Generation(text=text[: ends[-1] if ends else 0], ids=ids, ends=ends, finish=finish))
    episode = env.episode
    env.close()
    return episode, sampled


def assert_scored_zero(episode, attack):
    scored = score(episode)
    assert scored.reward == 0.0
    assert episode.stop != "infrastructure"
    assert scored.reason == attack.reason


def assert_intact(episode, sampled, renderer):
    """Check that ids and mask fit, and that model spans have exactly the sampled ids."""
    transcript = episode.transcript
    mask = loss_mask(transcript, "rl")
    assert len(mask) == len(transcript.ids) == transcript.count()
    expected = [int(span.source == "model") for span in transcript.spans for _ in span.ids]
    assert list(mask) == expected
    written = iter(sampled)
    for span in transcript.spans:
        if span.source == "model":
            assert any(turn[: len(span.ids)] == span.ids for turn in written)
        else:
            assert span.ids == renderer.encode(span.text)[0]
            assert END not in span.ids
    assert from_json(Episode, to_json(episode)) == episode


def assert_ran_as_expected(episode, attack):
    statuses = tuple(execution.status for execution in episode.executions)
    if attack.statuses:
        assert len(statuses) == len(attack.statuses)
        for status, expected in zip(statuses, attack.statuses, strict=True):
            assert expected in ("*", status), (statuses, [execution.stderr[-500:] for execution in episode.executions])
    if attack.prints is not None:
        assert episode.executions[-1].stdout == attack.prints
    for span in episode.transcript.spans:
        if span.source == "tool":
            assert span.text.count("```") == 2
            assert not any(mark in span.text for mark in MARKS)


@pytest.mark.parametrize(("attack", "sessions"), PAIRS, ids=lambda value: getattr(value, "name", ""))
def test_an_attack_is_scored_0_and_the_transcript_stays_intact(sandbox, renderer, attack, sessions):
    episode, sampled = play(sandbox, renderer, attack, sessions=sessions)
    assert_scored_zero(episode, attack)
    assert_intact(episode, sampled, renderer)
    assert_ran_as_expected(episode, attack)


@pytest.mark.parametrize("attack", PROGRAMS, ids=lambda attack: attack.name)
def test_a_hostile_program_in_a_session_is_scored_0(sandbox, renderer, attack):
    episode, sampled = play(sandbox, renderer, attack, sessions=True)
    assert_scored_zero(episode, attack)
    assert_intact(episode, sampled, renderer)


@pytest.mark.parametrize("attack", TOOL_CALLS, ids=lambda attack: attack.name)
def test_an_attack_with_tool_calls_is_scored_0(sandbox, renderer, attack):
    episode, sampled = play(sandbox, renderer, attack, protocol=ToolCall())
    assert_scored_zero(episode, attack)
    assert_intact(episode, sampled, renderer)
    if attack.statuses:
        assert tuple(execution.status for execution in episode.executions) == attack.statuses


def test_an_honest_solution_is_scored_1(sandbox, renderer):
    for sessions in (False, True):
        honest = Attack(
            name="honest", kind="program", texts=(program("print(6 * 7)"), boxed(42)), reason="correct", prints="42\n"
        )
        episode, sampled = play(sandbox, renderer, honest, sessions=sessions)
        assert score(episode).reward == 1.0
        assert_intact(episode, sampled, renderer)
        assert_ran_as_expected(episode, honest)


@pytest.mark.parametrize(
    "text", ["\\boxed{43} or rather \\boxed{42}", "\\boxed{43 \\boxed{42}}", "\\boxed{42} \\boxed{}"]
)
def test_the_last_nonempty_box_counts(sandbox, renderer, text):
    episode, _ = play(sandbox, renderer, Attack(name="boxes", kind="answer", texts=(text,), reason="correct"))
    assert score(episode).reward == 1.0


def test_a_box_in_a_hint_is_not_the_models_answer(sandbox, renderer):
    env = SolverEnv(sandbox, renderer)
    env.reset(Problem(id="attacked", question="How many chairs?", answers=(42.0,)))
    ids, ends = renderer.encode("By hand then. ")
    env.write(Generation(text="By hand then. ", ids=ids, ends=ends, finish="stop"))
    offset = env.episode.transcript.text.index("By hand")
    env.intervene(Finding(trigger="manual_computation", offset=offset, evidence="By hand"), "It is \\boxed{42}.")
    env.step("As the hint says.")
    assert score(env.episode).reward == 0.0
    assert sum(loss_mask(env.episode.transcript, "rl")) == len(renderer.encode("As the hint says.")[0])


def test_a_wrong_answer_with_a_forged_report_scores_0(sandbox, renderer):
    attack = next(attack for attack in PROGRAMS if attack.name == "forge a solver report")
    episode, _ = play(sandbox, renderer, attack)
    assert episode.executions[0].reports[0].objective == FORGED["objective"]
    assert backed_by_report(episode)
    assert score(episode).reward == 0.0


@pytest.mark.parametrize(
    ("name", "before", "files"),
    [
        ("search the environment", f"import os\nos.environ['X'] = '{SECRET}'", {}),
        ("search the file system", "", {"answers.jsonl": str(SECRET).encode()}),
        (
            "read the memory of other processes",
            f"import os, time\nheld = ['{SECRET}' + str(n) for n in range(9)]\nos.fork() or time.sleep(9)",
            {},
        ),
    ],
)
def test_the_searches_of_the_leak_attacks_work(sandbox, name, before, files):
    """Check the searches above, which otherwise might never match."""
    code = next(attack for attack in LEAKS if attack.name == name).texts[0]
    code = code.partition("```python\n")[2].partition("```")[0]
    execution = sandbox.run(f"{before}\n{code}\nimport os\nos._exit(0)", files=files)
    assert execution.status == "ok"
    assert execution.stdout not in ("", "nothing\n")


def test_attack_names_are_unique():
    names = [(attack.kind, attack.name) for attack in (*ATTACKS, *TOOL_CALLS)]
    assert len(names) == len(set(names))
