"""`agents.reasoners.turns`: a transcript as the messages of a chat, and nothing of it lost."""

from __future__ import annotations

import json

import pytest
from chatted import arguments
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat.chat_completion_chunk import ChoiceDelta

from agents.reasoners.replies import Reply
from agents.reasoners.turns import GO_ON, Round, read, render, split, turns
from env.protocol import Inline
from sandbox import Execution

QUESTION = [{"role": "system", "content": "Be\nbrief."}, {"role": "user", "content": 'How "many"?\u2028Ünd?'}]
LINE_END = st.sampled_from(["\n", "\n\n", "\r\n", ""])
# No fence can be made of these, and no line of them is a fence.
WORDS = st.text(st.sampled_from("ab \n`\\{}<>'\"é"), max_size=30).filter(lambda text: "```" not in text)
MARKS = st.sampled_from(["```python\n", "```output\n", "```\n", "\n", "```", "<think>\n", "</think>\n", "x = 1", "py"])


def ran(stdout: str, *, last: bool = False) -> str:
    """What the environment appends for a run that prints `stdout`."""
    execution = Execution(code="", status="ok", stdout=stdout, tier="limits", backend="tests")
    return Inline().observation(execution, last=last)


def appended(text: str, answer: str) -> str:
    """As the environment puts them together."""
    return text + (answer if text.endswith("\n") else f"\n{answer}")


def test_a_prompt_is_one_line_that_is_read_back_exactly():
    prompt = render(QUESTION)
    assert prompt.count("\n") == 1
    assert read(f"{prompt}more\ntext") == (QUESTION, "more\ntext")


@pytest.mark.parametrize("messages", [[], [{"role": "assistant", "content": "Yes."}]])
def test_the_last_message_is_the_users(messages):
    with pytest.raises(ValueError, match="must be the user's"):
        render(messages)


def test_a_run_is_a_call_and_a_tools_answer_and_thoughts_are_left_out():
    text = (
        "<think>\nMany, I think.\n</think>\nLet me count.\n```python\nprint(1)\n```\n"
        + ran("1\n")
        + "```python\nprint(2)\n```\n"
        + ran("2\n", last=True)
    )
    sent = turns(render(QUESTION) + text)
    assert sent[:2] == QUESTION
    assert [message["role"] for message in sent[2:]] == ["assistant", "tool", "assistant", "tool"]
    assert [message["content"] for message in sent[2:]] == [
        "Let me count.",
        "1",
        None,
        "2\n(That was the last run; now give the final answer.)",
    ]
    calls = [message["tool_calls"] for message in sent if "tool_calls" in message]
    assert calls == [
        [{"id": f"call_{n}", "type": "function", "function": {"name": "run_python", "arguments": code}}]
        for n, code in ((1, arguments("print(1)\n")), (2, arguments("print(2)\n")))
    ]
    assert [message["tool_call_id"] for message in sent if "tool_call_id" in message] == ["call_1", "call_2"]


def test_a_hint_in_a_thought_that_was_cut_is_sent():
    cut = "<think>\nOld.\n</think>\n<think>\nBy hand, 2 times\nWait, let me use code.\n"
    hinted = {"role": "assistant", "content": "By hand, 2 times\nWait, let me use code."}
    assert turns(render(QUESTION) + cut)[2:] == [hinted, {"role": "user", "content": GO_ON}]
    went_on = f"{cut}<think>\nNew.\n</think>\n```python\nprint(1)\n```\n{ran('1')}"
    assert turns(render(QUESTION) + went_on)[2]["content"] == hinted["content"]


def test_thoughts_go_along_where_they_are_wanted():
    text = "<think>\nOne.\n</think>\n```python\nprint(1)\n```\n" + ran("1") + "```python\nprint(2)\n```\n" + ran("2")
    sent = turns(render(QUESTION) + text, thoughts=True)
    assert [message.get("reasoning_content") for message in sent[2:]] == ["One.", None, "", None]


def test_thoughts_of_earlier_turns_are_left_out_too():
    before = [{"role": "user", "content": "1?"}, {"role": "assistant", "content": "<think>\nOne.\n</think>\n\nYes."}]
    prompt = render([*before, *QUESTION])
    assert read(prompt)[0] == [*before, *QUESTION]
    assert turns(prompt) == [before[0], {"role": "assistant", "content": "Yes."}, *QUESTION]


def test_a_turn_that_was_only_thought_leaves_nothing_to_go_on_from():
    assert turns(f"{render(QUESTION)}<think>\nHm.\n</think>\n") == QUESTION


def test_a_program_without_output_is_text():
    rounds, rest = split("```python\nprint(1)\n```\nHm.\n```python\nprint(2)\n```\n" + ran("2") + "So 2.")
    assert [(round.before, round.code) for round in rounds] == [("```python\nprint(1)\n```\nHm.\n", "print(2)\n")]
    assert rest == "So 2."


@given(st.lists(WORDS | MARKS, max_size=25).map("".join))
def test_nothing_of_any_text_is_lost(text):
    rounds, rest = split(text)
    assert "".join(round.before + round.block + round.answer for round in rounds) + rest == text
    assert all(round.code in round.block and round.output in round.answer for round in rounds)


@given(st.lists(st.tuples(WORDS, WORDS, LINE_END, WORDS), max_size=5), WORDS)
def test_the_runs_of_a_transcript_come_apart_as_they_were_put_together(parts, rest):
    text, expected = "", []
    for before, code, end, printed in parts:
        block = f"```python\n{code}\n```{end}"
        answer = ran(printed)
        expected.append((before, f"{code}\n", answer))
        text = appended(f"{text}{before}{block}", answer)
    rounds, left = split(text + rest)
    assert [(round.before, round.code, round.answer) for round in rounds] == expected
    assert left == rest
    sent = turns(render(QUESTION) + text + rest)
    assert [message["content"] for message in sent if message["role"] == "tool"] == [
        answer.removeprefix("```output\n").removesuffix("\n```\n") for _, _, answer in expected
    ]
    ends = sent[2 + 2 * len(parts) :]
    assert ends == [] or (len(ends) == 2 and ends[1] == {"role": "user", "content": GO_ON})


@given(st.text(), st.text(), st.lists(st.integers(1, 9), max_size=40), WORDS)
def test_what_a_model_calls_is_what_it_is_shown_to_have_called(said, code, sizes, printed):
    data, pieces = arguments(code), []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    deltas = [{"content": said.replace("`", "")}]
    deltas += [
        {"tool_calls": [{"index": 0, "function": {"name": "run_python", "arguments": piece}}]}
        for piece in [*pieces, data]
    ]
    reply = Reply(Inline.stop, turn="", place="tests")
    chunks = [chunk for delta in deltas for chunk in reply.feed(ChoiceDelta.model_validate(delta))]
    chunks += reply.finish("tool_calls")
    assert [chunk.finish for chunk in chunks if chunk.finish] == ["stop"]
    text = "".join(chunk.text for chunk in chunks)
    rounds, rest = split(text + ran(printed))
    assert rest == ""
    (round,) = rounds
    shown = json.loads(turns(render(QUESTION) + text + ran(printed))[2]["tool_calls"][0]["function"]["arguments"])
    assert shown == {"code": round.code}
    assert "```" not in round.code
    assert round.code.replace("` ", "`") == f"{code.rstrip()}\n".replace("` ", "`")


def test_a_round_says_which_field_is_which():
    (round,), rest = split("Hm.\n```python\nprint(1)\n```\n\n```output\n1\n```\nSo.")
    assert rest == "So."
    assert round == Round(
        before="Hm.\n",
        block="```python\nprint(1)\n```\n\n",
        code="print(1)\n",
        answer="```output\n1\n```\n",
        output="1",
    )
