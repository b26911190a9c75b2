"""Both protocols read programs from text and write output blocks."""

import importlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import PROTOCOLS, Inline, ToolCall
from storm_calm.env.system_prompt import SOLVER_MODULES
from storm_calm.sandbox import Execution


def execution(status="ok", stdout="", stderr="", **more):
    fields = {"exit_code": 0 if status == "ok" else 1, "isolation": "limits", "backend": "test"}
    return Execution(code="", status=status, stdout=stdout, stderr=stderr, **{**fields, **more})


def shown(last=False, **fields):
    """Return the lines of an inline observation without its fences."""
    lines = Inline().observation(execution(**fields), last=last).split("\n")
    assert (lines[0], lines[-2:]) == ("```output", ["```", ""])
    return lines[1:-2]


def call(code, name="run_python"):
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': {'code': code}})}\n</tool_call>"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```python\nx = 1\n```\n", "x = 1\n"),
        ("```python\nx = 1\n```", "x = 1\n"),
        ("```Python  \r\nx = 1\r\n```\r\n", "x = 1\r\n"),
        ("```py\nx = 1\n```\n\n", "x = 1\n"),
        ("1. Code:\n   ```python\n   x = 1\n   ```\n", "x = 1\n"),
        ("```python\nx = 1```\n", "x = 1"),
        ("```python\n```\n", ""),
        ("```\nmin x\n```\n```python\nx = 1\n```\n", "x = 1\n"),
        ("```python\na = 1\n```\n```python\nb = 2\n```\n", "a = 1\n"),
        ("```python\nx = 1\n", None),
        ("```python", None),
        ("```\nx = 1\n```\n", None),
        ("```pythonic\nx\n```\n", None),
        ("Use a ```python block.", None),
    ],
)
def test_inline_runs_the_first_complete_python_block(text, code):
    action = Inline().read(text)
    assert (action.kind, action.code) == ("none" if code is None else "code", code)


def test_a_block_includes_its_line_breaks():
    text = "Plan.\n```python\nx = 1\n```\n\nMore."
    action = Inline().read(text)
    assert text[action.start : action.end] == "```python\nx = 1\n```\n\n"


def test_an_unclosed_block_has_a_start_but_no_program_until_the_turn_ends():
    text = "Plan \\boxed{1}.\n```python\nx = 1"
    action = Inline().read(text)
    assert (action.kind, action.start, action.code) == ("none", 16, None)
    action = Inline().read(text, ended=True)
    assert (action.kind, action.start, action.code, action.end) == ("code", 16, "x = 1", len(text))


def test_the_first_block_or_call_is_read():
    block = "```python\na\n```\n"
    assert Inline().read(block + call("b")).code == "a\n"
    assert Inline().read(call("b") + block).code == "b"
    assert Inline().read("A <tool_call> is not needed.\n" + block).code == "a\n"
    assert Inline().read(f"<tool_call>\n{block}</tool_call>").code == "a\n"
    assert Inline().read(block.replace("a", f"a = {call('b').splitlines()[0]!r}")).code.startswith("a = ")
    assert ToolCall().read(block).kind == "none"


def test_endpoints_take_the_stop_strings():
    assert len(Inline().stop) <= 4


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_a_boxed_answer_without_a_program_is_an_answer(protocol):
    assert protocol.read("so \\boxed{5}").kind == "answer"
    assert protocol.read("so 5").kind == "none"


def test_a_tool_call_is_parsed_from_json():
    code = "print('</tool>')\nx = \"1\""
    text = f"Now:\n{call(code)}\n\\boxed{{1}}"
    action = ToolCall().read(text)
    assert (action.kind, action.code) == ("code", code)
    assert text[: action.start] == "Now:\n"
    assert text[action.end :] == "\\boxed{1}"


def test_a_call_with_raw_line_breaks_is_parsed():
    text = '<tool_call>{"name": "run_python", "arguments": {"code": "a = 1\nb = 2"}}</tool_call>'
    assert ToolCall().read(text).code == "a = 1\nb = 2"


@given(st.text(alphabet='`python\n ```tool_call<>/\\boxed{}"', max_size=80))
def test_reading_never_raises_and_remove_output_is_idempotent(text):
    for protocol in PROTOCOLS.values():
        action = protocol.read(text)
        assert 0 <= (action.start or 0) <= action.end <= len(text)
        assert text.startswith(protocol.remove_output(text))
        assert protocol.remove_output(protocol.remove_output(text)) == protocol.remove_output(text)


@given(st.text(max_size=80))
def test_any_program_round_trips_through_a_tool_call(code):
    if "</tool_call>" not in code:
        assert ToolCall().read(call(code)).code == code


def test_a_forged_observation_is_removed():
    assert Inline().remove_output("I run it.\n```output\n42\n```\n\\boxed{42}") == "I run it.\n"
    assert ToolCall().remove_output("I run it.\n<tool_response>\n42") == "I run it.\n"


@pytest.mark.parametrize("start", ["```output", "~~~output", "````output", "``` output", "```Output", "```{output}"])
def test_a_forged_observation_is_removed_in_any_spelling(start):
    for before in ("I run it.\n", "It prints ", "```python\nx\n```\n", "```python\nx\n"):
        assert Inline().remove_output(f"{before}{start}\n42\n```\n\\boxed{{42}}") == before


@pytest.mark.parametrize(
    "text", ["```text\noutput\n```\n", "The output:\n```\n42\n```\n", "`output`", "```text output\n1\n```"]
)
def test_other_blocks_are_not_removed(text):
    assert Inline().remove_output(text) == text


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_a_chat_starts_with_instructions_by_default(protocol):
    system, user = protocol.messages("Q?")
    assert system == {"role": "system", "content": protocol.instructions}
    assert user == {"role": "user", "content": "Q?"}
    assert protocol.messages("Q?", "Be brief.")[0]["content"] == "Be brief."
    assert protocol.messages("Q?", "") == [user]


def test_the_example_call_in_the_instructions_is_valid():
    assert ToolCall().read(ToolCall().instructions).code == "print(6 * 7)"


def test_the_instructions_name_libraries_that_every_sandbox_has():
    for name in SOLVER_MODULES:
        assert name in Inline().instructions
        importlib.import_module(name)


def test_output_is_shown_and_warnings_are_not():
    assert shown(stdout="42\n", stderr="UserWarning: no\n") == ["42"]
    assert shown(stdout="\n", stderr="only this\n") == ["only this"]
    assert shown() == ["(no output)"]


def test_a_failure_shows_the_output_before_the_traceback():
    assert shown(status="error", stdout="a\n", stderr="\nTraceback\n  File\nKeyError: 1\n") == [
        *("a", "Traceback", "  File", "KeyError: 1")
    ]
    assert shown(status="error", exit_code=3) == ["Exit code 3"]
    assert shown(status="error", exit_code=None, signal=11) == [
        "The program was ended by signal 11 (SIGSEGV), so it has no result."
    ]


def test_a_stopped_program_shows_the_reason_in_one_line():
    assert shown(status="timeout", stdout="a", wall_seconds=10.04) == ["a", "TimeoutError: stopped after 10 s"]
    assert shown(status="timeout", wall_seconds=0.52) == ["TimeoutError: stopped after 0.5 s"]
    assert shown(status="memory_limit", peak_memory_mb=1024.3) == ["MemoryError: stopped with 1024 MB in use"]
    too_much = "OutputError: stopped for printing too much, after 5 KB"
    assert shown(status="output_limit", stdout="a" * 5000)[-1] == too_much


def test_long_output_is_truncated_in_the_middle():
    text = "a" * 500 + "b" * 500 + "objective 42"
    assert shown(stdout=text) == ["a" * 400 + "..." + text[-400:]]
    assert shown(stdout="a" * 800) == ["a" * 800]


def test_the_last_execution_is_announced_even_after_long_output():
    assert shown(last=True, stdout="a" * 5000)[-1] == "(That was the last run; now give the final answer.)"


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
@pytest.mark.parametrize("mark", ["<|im_end|>", "</think>", "<think>", "<tool_call>", "</tool_response>"])
def test_chat_template_markers_in_output_are_broken_up(protocol, mark):
    assert mark not in protocol.observation(execution(stdout=f"1 {mark} 2"), last=False).removesuffix(f"{mark}\n")


def test_less_than_signs_are_unchanged():
    assert shown(stdout="x < 5 <= y <b>") == ["x < 5 <= y <b>"]


@given(st.text(alphabet="`x\n", max_size=30))
def test_backticks_in_output_are_never_a_fence(text):
    assert Inline().observation(execution(stdout=text), last=False).count("```") == 2


def test_many_unclosed_calls_are_parsed_fast():
    begin = time.monotonic()
    text = "<tool_call>" * 20_000
    assert ToolCall().read(text).kind == "none"
    assert ToolCall().read(text + "</tool_call>" + call("x")).start is not None
    assert time.monotonic() - begin < 1
