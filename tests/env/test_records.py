"""Problem and episode files: errors name file and line, and a kill loses at most one line."""

import json

import pytest

from storm_calm.env import (
    Problem,
    append_episode,
    read_episodes,
    read_problems,
    run_episode,
    write_problems,
)
from storm_calm.env.records import episode_to_json

GOOD = {"id": "a", "question": "Q?", "answer": 5}


@pytest.fixture
def file(tmp_path):
    """Return a function that writes lines, given as objects or text, and returns the path."""

    def write(*lines):
        path = tmp_path / "problems.jsonl"
        path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
        return path

    return write


@pytest.fixture
def episode(env, script, problem):
    return run_episode(env, script("```python\nprint(1)\n```\n", "\\boxed{42} é"), problem)


def error(read, path):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read(path)
    return str(caught.value).replace(str(path), path.name)


def test_written_problems_round_trip(tmp_path):
    problems = (
        Problem(
            id="a", question="Wie groß?\nZeile", answers=(5.0, "infeasible"), rule="orlm", source="s", difficulty="easy"
        ),
        Problem(id="b", question="Q", answers=("unbounded",), family="knapsack", difficulty="complex"),
    )
    path = tmp_path / "problems.jsonl"
    write_problems(path, problems)
    assert read_problems(path) == problems
    assert [one.name for one in tmp_path.iterdir()] == ["problems.jsonl"]


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (5, 5.0),
        (-0.5, -0.5),
        ("1,234.5", 1234.5),
        ("1e-05", 1e-05),
        ("$12", 12.0),
        ("No Best Solution", "infeasible"),
        ("unbounded", "unbounded"),
    ],
)
def test_an_answer_may_be_a_number_or_text(file, answer, read):
    assert read_problems(file({**GOOD, "answer": answer}))[0].answers == (read,)
    several = {"id": "b", "question": "Q?", "answers": [answer, 7]}
    assert read_problems(file(several))[0].answers == (read, 7.0)


def test_blank_lines_byte_order_marks_and_other_fields_are_ignored(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({**GOOD, "license": "x"}).encode() + b"\r\n\n  \n")
    assert len(read_problems(path)) == 1


def test_an_id_may_be_an_integer(file):
    assert read_problems(file({**GOOD, "id": 7}))[0].id == "7"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"id": "a", "question": "Q?"}, '"answer" is missing; give a number, "infeasible" or "unbounded"'),
        ({**GOOD, "answer": None}, '"answer" is missing; give a number, "infeasible" or "unbounded"'),
        ({**GOOD, "answer": "5 or 6"}, '"answer" "5 or 6" cannot be read; give a number, "infeasible" or "unbounded"'),
        ({**GOOD, "answer": True}, '"answer" is true; give a number, "infeasible" or "unbounded"'),
        ({**GOOD, "answer": [5]}, '"answer" is [5]; give a number, "infeasible" or "unbounded"'),
        ({**GOOD, "answer": 10**400}, f'"answer" is {"1" + "0" * 56}...; give a number, "infeasible" or "unbounded"'),
        ({**GOOD, "answers": [5]}, '"answer" and "answers" are both given; give one of them'),
        ({"id": "a", "question": "Q?", "answers": []}, '"answers" is []; give a list of at least one answer'),
        ({"id": "a", "question": "Q?", "answers": 5}, '"answers" is 5; give a list of at least one answer'),
        ({"question": "Q?", "answer": 5}, '"id" is missing; give a text'),
        ({**GOOD, "id": " "}, '"id" is empty; give a text'),
        ({**GOOD, "id": True}, '"id" is true; give a text'),
        ({**GOOD, "question": 5}, '"question" is 5; give a text'),
        ({**GOOD, "rule": "exact"}, "\"rule\" 'exact' is unknown; give one of paper, sirl, orlm, mamo, or_space"),
        ({**GOOD, "difficulty": "hard"}, '"difficulty" is \'hard\'; give "easy" or "complex", or leave it out'),
        ("[1]", "not a JSON object but [1]; put one object a line"),
        ("{", "not JSON: Expecting property name enclosed in double quotes at column 2"),
        ('{"id": "b", "question": "Q", "answer": NaN}', '"answer" is NaN; give a number, "infeasible" or "unbounded"'),
    ],
)
def test_error_for_an_invalid_line_names_the_field_and_the_fix(file, line, message):
    path = file({**GOOD, "id": "first"}, "", line)
    assert error(read_problems, path) == f"problems.jsonl:3: {message}"


def test_error_for_a_duplicate_id_has_both_lines(file):
    path = file(GOOD, {**GOOD, "id": "b"}, GOOD)
    assert error(read_problems, path) == "problems.jsonl:3: \"id\" 'a' is already used in line 1"


def test_duplicate_ids_are_not_written(tmp_path):
    problem = Problem(id="a", question="Q", answers=(1.0,))
    with pytest.raises(ValueError, match="two problems have the id 'a'"):
        write_problems(tmp_path / "p.jsonl", [problem, problem])
    assert list(tmp_path.iterdir()) == []


def test_error_for_invalid_utf8_has_the_position(tmp_path):
    path = tmp_path / "problems.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b'\n{"id": "\xe4"}\n')
    assert error(read_problems, path) == "problems.jsonl:2: byte 9 is not UTF-8; save the file as UTF-8"


def test_an_empty_file_is_an_error(file):
    assert error(read_problems, file("", "")).startswith("problems.jsonl: no problems")


def test_appended_episodes_round_trip(tmp_path, episode):
    path = tmp_path / "episodes.jsonl"
    append_episode(path, episode)
    append_episode(path, episode)
    assert read_episodes(path) == (episode, episode)


def test_an_incomplete_last_line_is_skipped_and_replaced(tmp_path, episode):
    path = tmp_path / "episodes.jsonl"
    append_episode(path, episode)
    whole = path.read_bytes()
    for length in (1, 10, len(whole) - 2):
        path.write_bytes(whole + whole[:length])
        assert read_episodes(path) == (episode,)
        append_episode(path, episode)
        assert path.read_bytes() == whole * 2


def test_a_last_line_cut_inside_a_character_is_skipped(tmp_path, episode):
    path = tmp_path / "episodes.jsonl"
    append_episode(path, episode)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: whole.index("é".encode()) + 1])
    assert read_episodes(path) == (episode,)


def test_a_last_line_without_a_line_break_is_kept(tmp_path, episode):
    path = tmp_path / "episodes.jsonl"
    append_episode(path, episode)
    whole = path.read_bytes()
    path.write_bytes(whole.rstrip(b"\n"))
    assert read_episodes(path) == (episode,)
    append_episode(path, episode)
    assert path.read_bytes() == whole * 2


def test_any_other_invalid_line_is_an_error(tmp_path, episode):
    path = tmp_path / "episodes.jsonl"
    append_episode(path, episode)
    whole = path.read_bytes()
    path.write_bytes(b'{"problem"\n' + whole)
    assert error(read_episodes, path).startswith("episodes.jsonl:1: not JSON: ")
    path.write_bytes(whole + b'{"format_version": 1}\n')
    assert error(read_episodes, path) == 'episodes.jsonl:2: "problem" is missing'
    path.write_bytes(whole + json.dumps({**episode_to_json(episode), "stop": "bored"}).encode() + b"\n")
    assert error(read_episodes, path).startswith('episodes.jsonl:2: "stop" is "bored"; give "answer", ')


def test_error_for_another_format_version_has_the_fix(tmp_path, episode):
    path = tmp_path / "episodes.jsonl"
    for version, found in (99, "99"), (None, "missing"):
        path.write_text(json.dumps({**episode_to_json(episode), "tier": "easy", "format_version": version}) + "\n")
        message = error(read_episodes, path)
        assert message.startswith("episodes.jsonl:1: ")
        assert f"(format_version {found}, this one reads 1)" in message


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_non_finite_number_is_an_error_with_line_and_field(tmp_path, episode, value):
    path = tmp_path / "episodes.jsonl"
    data = episode_to_json(episode)
    data["executions"][0]["wall_seconds"] = value
    path.write_text(json.dumps(data) + "\n")
    with pytest.raises(ValueError, match=r"episodes\.jsonl:1: .*wall_seconds.* finite number"):
        list(read_episodes(path))
