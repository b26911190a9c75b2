"""Trajectories of chats as training messages: calls, results and hints in OpenAI's format, without loss of text."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.agents.reasoners.chat_messages import TOOLS, render
from storm_calm.env import Episode, Inline, Problem, Span, Transcript
from storm_calm.rl.datasets import message_row, sft_row, trl_row
from storm_calm.sandbox import Execution

PROBLEM = Problem(
    id="p1", question="How many\nchairs?", answers=(42.0,), family="chairs", difficulty="easy", source="mine"
)
OPENING = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROBLEM.question}]
WORDS = st.text(st.sampled_from("ab \n`\\{}<>'\"é"), max_size=30).filter(lambda text: "```" not in text)


def execution(code, printed):
    return Execution(code=code, status="ok", stdout=printed, exit_code=0, isolation="limits", backend="tests")


def episode(*parts, prompt=None):
    """A trajectory: its prompt, then spans of source and text, with each program followed by its output."""
    spans, executions = [Span(source="prompt", text=prompt or render(OPENING))], []
    for source, text in parts:
        if source == "program":
            code, printed = text
            ran = execution(code, printed)
            executions.append(ran)
            spans.append(Span(source="model", text=f"```python\n{code}\n```\n"))
            spans.append(Span(source="tool", text=Inline().observation(ran, last=False)))
        else:
            spans.append(Span(source=source, text=f"<hint>{text}</hint>\n" if source == "hint" else text))
    return Episode(
        problem=PROBLEM, transcript=Transcript(spans=tuple(spans)), executions=tuple(executions), stop="answer"
    )


def test_a_trajectory_becomes_calls_and_results_in_openais_fine_tuning_format():
    row = message_row(
        episode(
            ("model", "<think>\nSix times seven\n"),
            ("hint", "Wait, let me use code."),
            ("model", "<think>\nYes.\n</think>\nLet me run it.\n"),
            ("program", ("print(42)", "42\n")),
            ("model", "<think>\nSo 42.\n</think>\nIt is \\boxed{42}."),
        )
    )
    function = {"name": "run_python", "arguments": json.dumps({"code": "print(42)\n"})}
    thought = "Six times seven\nWait, let me use code.\nYes."
    assert row == {
        "messages": [
            *OPENING,
            {
                "role": "assistant",
                "content": f"<think>\n{thought}\n</think>\n\nLet me run it.",
                "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "42"},
            {"role": "assistant", "content": "<think>\nSo 42.\n</think>\n\nIt is \\boxed{42}."},
        ],
        "tools": TOOLS,
        "parallel_tool_calls": False,
        "id": "p1",
        "family": "chairs",
        "difficulty": "easy",
        "source": "mine",
    }


# A program that ends inside a string of several lines has no end that a reader could find.
PROGRAMS = WORDS.filter(lambda code: "'''" not in code and '"""' not in code)
PARTS = st.one_of(
    st.tuples(st.just("model"), WORDS | st.just("<think>\nHm.\n</think>\n") | st.just("\n<think>\nHm,\n")),
    st.tuples(st.just("hint"), WORDS.map(str.strip).filter(bool)),
    st.tuples(st.just("program"), st.tuples(PROGRAMS, WORDS)),
)


def bare(text):
    """Remove tags, marks, fences and white space, which may be lost."""
    return re.sub(r"</?think>|</?hint>|```(?:python|output)|[`\s]", "", text)


@given(st.lists(PARTS, max_size=12))
def test_no_word_is_lost_or_attributed_to_another_role(parts):
    run = episode(*[(source, f"\n{text}\n" if source == "model" else text) for source, text in parts])
    messages = message_row(run)["messages"]
    assert messages[:2] == OPENING
    written = ""
    for message in messages[2:]:
        codes = [json.loads(call["function"]["arguments"])["code"] for call in message.get("tool_calls", ())]
        written += "".join([message["content"], *codes])
    spans = run.transcript.spans[1:]
    assert bare(written) == bare("".join(span.text for span in spans))
    outputs = [message["content"] for message in messages if message["role"] == "tool"]
    assert [f"```output\n{text}\n```\n" for text in outputs] == [s.text for s in spans if s.source == "tool"]
    assert {message["role"] for message in messages[2:]} <= {"assistant", "tool"}


@pytest.mark.parametrize("row", [sft_row, trl_row])
def test_error_for_a_chat_without_token_ids_suggests_another_format(row):
    with pytest.raises(ValueError, match=r"'p1' has no token ids, .* use --format messages, or curate with a server"):
        row(episode(("model", "\\boxed{42}")))


@pytest.mark.parametrize("prompt", ["[1, 2]\n", "[]\n", '{"role": "user"}\n', f"{render(OPENING)}more\n", "[INST] Q"])
def test_a_prompt_that_only_resembles_a_chat_is_rejected(prompt):
    with pytest.raises(ValueError, match="its prompt is neither ChatML nor a chat"):
        message_row(episode(("model", "\\boxed{42}"), prompt=prompt))
