"""The replay reasoner: it submits reference programs, boxes what they print, and says so if it cannot."""

import json

import pytest

from storm_calm.agents.reasoners import open_reasoner
from storm_calm.agents.reasoners.replay import Replay
from storm_calm.env import Finding, Problem, Sampling, SolverEnv, run_episode, score
from storm_calm.env.reasoner import ReasonerError
from storm_calm.sandbox import MAX_CODE_BYTES

QUESTION = "How many boxes of 3 kg fit on a truck for 10 kg?"
PROGRAM = "print('Status: Optimal')\nprint('Objective:', 10 // 3)\n"


@pytest.fixture
def replay(tmp_path):
    """Return a function that opens a reasoner with a program for each question."""

    def replay(programs):
        lines = [{"id": f"p{n}", "question": q, "program": p} for n, (q, p) in enumerate(programs)]
        (tmp_path / "references.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return open_reasoner(f"replay:{tmp_path}")

    return replay


def solve(sandbox, reasoner, question=QUESTION, answer=3.0, **settings):
    problem = Problem(id="p", question=question, answers=(answer,))
    return run_episode(SolverEnv(sandbox, reasoner, **settings), reasoner, problem)


def test_a_reference_is_submitted_and_its_result_boxed(replay, sandbox):
    episode = solve(sandbox, replay([("Another question?", "print(1)"), (QUESTION, PROGRAM)]))
    assert [execution.code for execution in episode.executions] == [PROGRAM]
    assert episode.transcript.model_text.endswith("\\boxed{3}\n")
    assert (score(episode).reward, episode.transcript.ids) == (1.0, None)


@pytest.mark.parametrize(
    ("printed", "boxed"),
    [
        ("Objective: 12.5", "12.5"),
        ("objective: 1201500.0 (not proved optimal)", "1201500.0"),
        ("optimal_value = -1,234.5", "-1234.5"),
        ("OBJECTIVE_VALUE: 1e-05", "1e-05"),
        ("Optimal objective value: $7", "7"),
        ("Objective: 1\nOptimal value: 2\nThe plan follows.", "2"),
        ("Objective: 0.0\nStatus: Infeasible", "infeasible"),
        ("status: unbounded", "unbounded"),
        ("Infeasible", "infeasible"),
        ('{"x": 3}\ndone', "done"),
        ("not done", None),
        ("LpStatus: Infeasible\nObjective: 4", "4"),
        ("nothing", None),
        ("Objective: None", None),
        ("The objective is 4 tons", None),
        ("infeasible or unbounded", None),
        ("Objective: 1.2.3", None),
    ],
)
def test_the_last_line_with_a_result_counts(replay, sandbox, printed, boxed):
    text = solve(sandbox, replay([(QUESTION, f"print({printed!r})")])).transcript.model_text
    assert (f"\\boxed{{{boxed}}}" in text) if boxed else "printed no objective value, so I have no answer" in text
    assert ("\\boxed" in text) == (boxed is not None)


@pytest.mark.parametrize("program", ["1 / 0", "print('Objective: 3')\n1 / 0", "print('Objective: 3')\nexit(2)"])
def test_a_failed_program_gives_no_answer(replay, sandbox, program):
    episode = solve(sandbox, replay([(QUESTION, program)]))
    assert episode.transcript.model_text.endswith("The reference program failed, so I have no answer.\n")
    assert (episode.stop, score(episode).reward) == ("malformed", 0.0)


def test_a_question_without_a_reference_gets_no_answer(replay, sandbox):
    episode = solve(sandbox, replay([("Another question?", PROGRAM)]))
    assert episode.transcript.model_text == "I have no reference for it.\n"
    assert episode.executions == ()


def test_the_longest_question_in_the_prompt_counts(replay, sandbox):
    reasoner = replay([("How many boxes", "print('Objective: 1')"), (QUESTION, PROGRAM)])
    assert score(solve(sandbox, reasoner, f"{QUESTION}\n\nData files: none")).reward == 1.0


def test_two_programs_for_one_question_are_not_chosen_between(replay, sandbox):
    text = solve(sandbox, replay([(QUESTION, PROGRAM), (QUESTION, "print(2)")])).transcript.model_text
    assert text == "Several references have this question: p0, p1.\n"
    assert score(solve(sandbox, replay([(QUESTION, PROGRAM), (QUESTION, PROGRAM)]))).reward == 1.0


def test_fences_and_stop_strings_inside_of_a_program_are_part_of_it(replay, sandbox):
    program = '"""\n```\nnot the end\n~~~\n```output\n"""\n' + PROGRAM
    episode = solve(sandbox, replay([(QUESTION, program)]))
    assert [execution.code for execution in episode.executions] == [program]
    assert score(episode).reward == 1.0


def test_a_question_with_names_of_special_tokens_is_found(replay, sandbox):
    question = f"{QUESTION} <|im_end|> </think>"
    assert score(solve(sandbox, replay([(question, PROGRAM)]), question)).reward == 1.0


def test_a_program_that_no_sandbox_can_run_is_not_submitted(replay, sandbox):
    program = f"x = '{'a' * MAX_CODE_BYTES}'\n"
    text = solve(sandbox, replay([(QUESTION, program)])).transcript.model_text
    assert text == f"The reference program has {len(program)} bytes; no program may have more than {MAX_CODE_BYTES}.\n"


def test_a_long_program_fits_the_context(replay, sandbox):
    program = f"x = {list(range(20_000))}\n{PROGRAM}"
    assert score(solve(sandbox, replay([(QUESTION, program)]))).reward == 1.0
    assert solve(sandbox, replay([(QUESTION, program)]), max_tokens=1000).stop == "length"


def test_after_a_hint_it_goes_on(replay, sandbox):
    reasoner = replay([(QUESTION, PROGRAM)])
    env = SolverEnv(sandbox, reasoner)
    episode = run_episode(env, reasoner, Problem(id="p", question=QUESTION, answers=(3.0,)))
    flaw = Finding(trigger="manual_computation", offset=episode.transcript.prompt_end, evidence="", confidence=1.0)
    env.intervene(flaw, "Wait, write a program first.")
    for _ in range(2):
        env.step(
            reasoner.generate(env.episode.transcript.text, stop=env.protocol.stop, max_tokens=9999, sampling=Sampling())
        )
    assert score(env.episode).reward == 1.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"no reference programs; give a folder with references.jsonl, .*test sets miplib_nl"),
        ("", r"references.jsonl: is empty; write it with `storm families --write DIR`"),
        ('{"id": "a", "question": "Q?"}\n', r'references.jsonl:1: "program" is missing|"program" is'),
        ("x\n", r"references.jsonl:1: not JSON|references.jsonl:1"),
    ],
)
def test_errors_name_the_folder_and_the_fix(tmp_path, content, message):
    if content is not None:
        (tmp_path / "references.jsonl").write_text(content)
    with pytest.raises(ReasonerError, match=message):
        Replay(tmp_path)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ReasonerError, match=r"none: no such folder; give one with references.jsonl"):
        open_reasoner(f"replay:{tmp_path}/none")


def test_options_of_servers_are_errors(tmp_path):
    with pytest.raises(ValueError, match="runs here; a model"):
        open_reasoner(f"replay:{tmp_path}", model="big")
    with pytest.raises(ValueError, match="replay has only the protocol inline"):
        open_reasoner(f"replay:{tmp_path}", protocol="tool_call")


def test_token_ids_are_refused(replay):
    with pytest.raises(ReasonerError, match="token ids"):
        replay([(QUESTION, PROGRAM)]).generate((1, 2), stop=(), max_tokens=9, sampling=Sampling())
