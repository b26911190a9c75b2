"""The parsed request: question, earlier turns, and files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env.data_files import describe_files
from storm_calm.serving.api.agent_request import (
    AgentRequest,
    check_file_name,
    decode_file,
    unique_files,
)
from storm_calm.serving.api.api_errors import ApiError


def messages_of(*turns):
    return tuple({"role": role, "content": content} for role, content in turns)


def test_a_system_message_is_prepended_to_the_first_question():
    alone = AgentRequest(messages=messages_of(("system", "Be short."), ("user", "How many?")))
    assert (alone.question, alone.before) == ("Be short.\n\nHow many?", ())
    later = AgentRequest(
        messages=messages_of(("system", "Be short."), ("user", "A?"), ("assistant", "1"), ("user", "B?"))
    )
    assert later.question == "B?"
    assert later.before == messages_of(("user", "Be short.\n\nA?"), ("assistant", "1"))


def test_empty_turns_are_dropped():
    ask = AgentRequest(messages=messages_of(("user", "A?"), ("assistant", ""), ("user", "B?")))
    assert ask.before == messages_of(("user", "A?"))


@pytest.mark.parametrize(
    "name",
    ["data (1).csv", "Größe.csv", "数据.csv", "plan d'été.xlsx", "-rf", "a&b=c;d.json", "👩‍🔬 costs.csv", "x" * 255],
)
def test_ordinary_file_names_are_accepted(name):
    assert check_file_name(name, "files") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "..",
        "../a",
        "a/b",
        "/etc/passwd",
        ".bashrc",
        "a\nb",
        "a\x00",
        "C:\\a.csv",
        "数" * 86,
        "\u202efdp.csv",
    ],
)
def test_invalid_file_names_are_rejected(name):
    with pytest.raises(ApiError, match="is not a file name"):
        check_file_name(name, "files")


@given(st.text(max_size=50))
def test_any_data_is_decoded_or_rejected(text):
    try:
        decode_file(text, "file")
    except ApiError as error:
        refused = (error.status, error.param)
    else:
        refused = None
    assert refused in (None, (400, "file"))


def test_the_name_of_the_program_is_rejected():
    with pytest.raises(ApiError, match=r"main\.py is the name of the program itself"):
        check_file_name("main.py", "files")


@given(st.text(max_size=300))
def test_any_file_name_is_accepted_or_rejected(name):
    try:
        accepted = check_file_name(name, "files")
    except ApiError as error:
        outcome = (error.status, error.param, len(error.message) < 600)
    else:
        outcome = (400, "files", describe_files({accepted: b""})[0].count("\n") == 1)
    assert outcome == (400, "files", True)


def test_duplicate_file_names_are_rejected():
    with pytest.raises(ApiError, match="two files are named 'a'"):
        unique_files([("a", b"1"), ("a", b"2")], "files")
