"""The parsed request: question, earlier turns, and files with their shapes; and the notes on an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import Episode, Problem, Span, Transcript
from storm_calm.sandbox import Execution, SolverReport
from storm_calm.serving.api.agent_request import (
    AgentRequest,
    check_file_name,
    decode_file,
    describe_files,
    unique_files,
)
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.notes import notes


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
    ("name", "content", "shape"),
    [
        ("a.csv", b"x,y\n1,2\n3,4\n", "2 rows, columns x, y"),
        ("a.tsv", b"x\ty\n1\t2\n", "1 rows, columns x, y"),
        ("a.json", b'{"costs": [1], "hours": 3}', "JSON object with costs, hours"),
        ("a.json", b"[1, 2, 3]", "JSON list of 3"),
        ("a.json", b"{", "1 bytes"),
        ("a.csv", b"", "0 lines of text"),
        ("notes", b"one\ntwo", "2 lines of text"),
        ("a.csv", b"\xef\xbb\xbfx,y\n1,2\n", "1 rows, columns x, y"),
        ("a.json", b"\xef\xbb\xbf[1]", "JSON list of 1"),
        ("a.xlsx", b"PK\x03\x04\x00\n", "6 bytes"),
        ("a.csv", b"\xff\xfe,b\n", "0 rows, columns \ufffd\ufffd, b"),
    ],
)
def test_the_prompt_describes_the_content_of_files(name, content, shape):
    assert describe_files({name: content}) == [f"Data files in the program's working directory:\n- {name}: {shape}"]


@given(st.binary(max_size=200), st.sampled_from(["a.csv", "a.json", "a.tsv", "a"]))
def test_any_file_content_can_be_described(content, name):
    assert len(describe_files({name: content})) == 1


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


QUESTION = "A bag holds 82 g. A rope has 31 g and earns 30."


def asked(*turns, files=()):
    """Return a conversation, by default only the question."""
    messages = [
        {"role": "assistant" if number % 2 else "user", "content": words}
        for number, words in enumerate(turns or (QUESTION,))
    ]
    return AgentRequest(messages=tuple(messages), files=dict(files))


def episode(answer, *, code="print(1)", reports=(), question=QUESTION):
    """Return an episode with one program and this answer."""
    execution = Execution(
        code=code,
        status="ok",
        stdout="1\n",
        stderr="",
        exit_code=0,
        signal=None,
        wall_seconds=0.1,
        cpu_seconds=0.1,
        peak_memory_mb=1.0,
        truncated=False,
        isolation="full",
        backend="local",
        reports=tuple(reports),
    )
    spans = (
        Span(source="prompt", text="<|im_start|>"),
        Span(source="model", text=f"```python\n{code}\n```\n", finish="stop"),
        Span(source="tool", text="```output\n1\n```\n"),
        Span(source="model", text=f"</think>\\boxed{{{answer}}}", finish="end"),
    )
    problem = Problem(id="p", question=question, answers=())
    return Episode(problem=problem, transcript=Transcript(spans=spans), executions=(execution,), stop="answer")


def report(status, objective=None):
    return SolverReport(
        library="ortools.cp_model", solver="CP-SAT", status=status, sense="maximize", objective=objective
    )


def test_an_answer_backed_by_a_report_has_no_note():
    code = "w = [31]\np = [30]\nm.add(sum(w) <= 82)\nm.parameters.max_time_in_seconds = 5\nM = 1e6"
    assert notes(episode(30, code=code, reports=[report("optimal", 30.0)]), asked()) == []
    assert notes(episode("infeasible", reports=[report("infeasible")]), asked()) == []


def test_an_answer_without_a_report_has_a_note():
    assert notes(episode(30), asked()) == ["No solver report supports this answer."]
    assert notes(episode(30, reports=[report("optimal", 31.0)]), asked()) == ["No solver report supports this answer."]


@pytest.mark.parametrize("status", ["infeasible", "unbounded"])
def test_a_numeric_answer_after_an_infeasible_solve_has_a_note(status):
    (note,) = notes(episode(30, reports=[report(status)]), asked())
    assert note == f"The last solve was {status}, and the answer is a number all the same."


def test_invented_numbers_have_a_note_unless_files_were_sent():
    made_up = episode(30, code="w = [31, 47.5]\np = [30, 1200]", reports=[report("optimal", 30.0)])
    assert "you did not give (47.5, 1200)" in notes(made_up, asked())[0]
    assert notes(made_up, asked(files={"prices.csv": b"1"})) == []
    percent = episode(30, code="rate = 0.31", reports=[report("optimal", 30.0)])
    assert notes(percent, asked()) == []


def test_numbers_derived_from_earlier_turns_are_not_invented():
    turns = [QUESTION, "\\boxed{30}", "Now with 20 g more, and the rope 10 % dearer."]
    later = episode(33, code="w = [31]\np = [33]\nm.add(sum(w) <= 102)", reports=[report("optimal", 33.0)])
    assert notes(later, asked(*turns)) == []
    other = episode(33, code="m.add(sum(w) <= 103)", reports=[report("optimal", 33.0)])
    assert "you did not give (103)" in notes(other, asked(*turns))[0]


def test_a_trajectory_without_an_answer_has_no_notes():
    unfinished = Episode(problem=Problem(id="p", question="Q?", answers=()), stop="length")
    assert notes(unfinished, asked()) == []
