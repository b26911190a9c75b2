"""`agents.reasoners.chat_messages`: a transcript becomes the messages of a chat, without loss."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openai.types.chat.chat_completion_chunk import ChoiceDelta

from storm_calm.agents.reasoners.chat_messages import (
    ACKNOWLEDGEMENT,
    CONTINUE_REQUEST,
    HINT_PREFIX,
    Round,
    lesson,
    read,
    render,
    split,
    turns,
)
from storm_calm.agents.reasoners.chat_stream import ChatStream
from storm_calm.env.protocol import Inline
from storm_calm.sandbox import Execution
from support.chat_events import arguments

QUESTION = [{"role": "system", "content": "Be\nbrief."}, {"role": "user", "content": 'How "many"?\u2028Ünd?'}]
LINE_END = st.sampled_from(["\n", "\n\n", "\r\n", ""])
# These contain no fence, also when joined.
WORDS = st.text(st.sampled_from("ab \n`\\{}<>'\"é"), max_size=30).filter(lambda text: "```" not in text)
PROGRAMS = WORDS.filter(lambda text: "'''" not in text and '"""' not in text)
"""A string that is open over several lines hides the closing fence, so no environment runs such a program."""
CODE = WORDS.filter(lambda text: not {"'", '"'} & set(text))
"""Programs without strings. A string that is not closed hides the fence after it."""
MARKS = st.sampled_from(["```python\n", "```output\n", "```\n", "\n", "```", "<think>\n", "</think>\n", "x = 1", "py"])


def ran(stdout: str, *, last: bool = False) -> str:
    """Return what the environment appends after a program that prints `stdout`."""
    execution = Execution(code="", status="ok", stdout=stdout, isolation="limits", backend="tests")
    return Inline().observation(execution, last=last)


def appended(text: str, answer: str) -> str:
    """Return the text as the environment builds it."""
    return text + (answer if text.endswith("\n") else f"\n{answer}")


def test_a_prompt_is_one_line_that_round_trips():
    prompt = render(QUESTION)
    assert prompt.count("\n") == 1
    assert read(f"{prompt}more\ntext") == (QUESTION, "more\ntext")


@pytest.mark.parametrize("messages", [[], [{"role": "assistant", "content": "Yes."}]])
def test_the_last_message_must_be_a_user_message(messages):
    with pytest.raises(ValueError, match="must be the user's"):
        render(messages)


def test_an_execution_is_a_call_and_a_tool_message_without_thoughts():
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


def hint(words: str) -> dict:
    """Return the message that a hint is sent as."""
    return {"role": "user", "content": f"{HINT_PREFIX}{words}"}


def test_a_thought_cut_by_a_hint_is_sent_before_the_hint():
    cut = "<think>\nOld.\n</think>\n<think>\nBy hand, 2 times\n<hint>Wait, let me use code.</hint>\n"
    sent = [{"role": "assistant", "content": "By hand, 2 times"}, hint("Wait, let me use code.")]
    assert turns(render(QUESTION) + cut)[2:] == sent
    went_on = f"{cut}<think>\nNew.\n</think>\n```python\nprint(1)\n```\n{ran('1')}"
    *before, call, answer = turns(render(QUESTION) + went_on)[2:]
    assert before == sent
    assert (call["content"], answer["content"]) == (None, "1")


def test_an_incomplete_turn_after_a_hint_is_followed_by_a_request_to_continue():
    text = "By hand\n<hint>Wait.</hint>\nThe model is\n"
    assert turns(render(QUESTION) + text)[2:] == [
        {"role": "assistant", "content": "By hand"},
        hint("Wait."),
        {"role": "assistant", "content": "The model is"},
        {"role": "user", "content": CONTINUE_REQUEST},
    ]


def test_hints_separated_only_by_thoughts_are_one_turn():
    text = "By hand\n<hint>Wait.</hint>\n<think>\nHm.\n</think>\n<hint>No.</hint>\n"
    both = f"{HINT_PREFIX}Wait.\n\n{HINT_PREFIX}No."
    assert turns(render(QUESTION) + text)[2:] == [
        {"role": "assistant", "content": "By hand"},
        {"role": "user", "content": both},
    ]


@pytest.mark.parametrize("thoughts", [False, True])
def test_acknowledge_inserts_a_turn_between_a_tool_output_and_a_hint(thoughts):
    text = f"```python\nprint(1)\n```\n{ran('1')}<hint>Wait.</hint>\n"
    plain = turns(render(QUESTION) + text, thoughts=thoughts)
    assert [message["role"] for message in plain[2:]] == ["assistant", "tool", "user"]
    taken = turns(render(QUESTION) + text, thoughts=thoughts, acknowledge=True)
    acknowledgement = {
        "role": "assistant",
        "content": ACKNOWLEDGEMENT,
        **({"reasoning_content": ""} if thoughts else {}),
    }
    assert taken == [*plain[:-1], acknowledgement, plain[-1]]
    alone = turns(f"{render(QUESTION)}By hand\n<hint>Wait.</hint>\n", acknowledge=True)
    assert ACKNOWLEDGEMENT not in json.dumps(alone)


def test_thoughts_are_included_on_request():
    text = "<think>\nOne.\n</think>\n```python\nprint(1)\n```\n" + ran("1") + "```python\nprint(2)\n```\n" + ran("2")
    sent = turns(render(QUESTION) + text, thoughts=True)
    assert [message.get("reasoning_content") for message in sent[2:]] == ["One.", None, "", None]


def test_thoughts_of_earlier_chat_turns_are_omitted():
    before = [{"role": "user", "content": "1?"}, {"role": "assistant", "content": "<think>\nOne.\n</think>\n\nYes."}]
    prompt = render([*before, *QUESTION])
    assert read(prompt)[0] == turns(prompt) == [before[0], {"role": "assistant", "content": "Yes."}, *QUESTION]


def test_a_turn_of_thoughts_only_is_dropped():
    assert turns(f"{render(QUESTION)}<think>\nHm.\n</think>\n") == QUESTION


def test_a_program_without_output_stays_text():
    rounds, rest = split("```python\nprint(1)\n```\nHm.\n```python\nprint(2)\n```\n" + ran("2") + "So 2.")
    assert [(round.before, round.code) for round in rounds] == [("```python\nprint(1)\n```\nHm.\n", "print(2)\n")]
    assert rest == "So 2."


@given(st.lists(WORDS | MARKS, max_size=25).map("".join))
def test_splitting_loses_no_text(text):
    rounds, rest = split(text)
    assert "".join(round.before + round.block + round.answer for round in rounds) + rest == text
    assert all(round.code in round.block and round.output in round.answer for round in rounds)


@given(st.lists(st.tuples(WORDS, CODE, LINE_END, WORDS), max_size=5), WORDS)
def test_a_transcript_is_split_into_its_executions(parts, rest):
    text, expected = "", []
    for before, code, end, printed in parts:
        before = f"{before}.\n"  # Otherwise it may be part of the fence.
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
    assert ends == [] or (len(ends) == 2 and ends[1] == {"role": "user", "content": CONTINUE_REQUEST})


@given(st.text(), st.text(), st.lists(st.integers(1, 9), max_size=40), WORDS)
@example("", "print('<|im_end|><hint>```output')", [5], "")
def test_a_called_program_round_trips_through_the_transcript(content, code, sizes, printed):
    data, pieces = arguments(code), []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    deltas = [{"content": content.replace("`", "").replace("<|", "")}]
    deltas += [
        {"tool_calls": [{"index": 0, "function": {"name": "run_python", "arguments": piece}}]}
        for piece in [*pieces, data]
    ]
    reply = ChatStream(Inline.stop, turn="", place="tests")
    chunks = [chunk for delta in deltas for chunk in reply.feed(ChoiceDelta.model_validate(delta))]
    chunks += reply.finish("tool_calls")
    text = "".join(chunk.text for chunk in chunks)
    # A program with an open string has no closing fence: it ends with the turn.
    finish = "stop" if Inline().read(text).acts else "end"
    assert [chunk.finish for chunk in chunks if chunk.finish] == [finish]
    rounds, rest = split(text + ran(printed))
    assert rest == ""
    (round,) = rounds
    shown = json.loads(turns(render(QUESTION) + text + ran(printed))[2]["tool_calls"][0]["function"]["arguments"])
    assert shown == {"code": round.code}
    assert round.code.replace(" ", "") == f"{code.rstrip()}\n".replace(" ", "")


def test_fields_of_a_round():
    (round,), rest = split("Hm.\n```python\nprint(1)\n```\n\n```output\n1\n```\nSo.")
    assert rest == "So."
    assert round == Round(
        before="Hm.\n",
        block="```python\nprint(1)\n```\n\n",
        code="print(1)\n",
        answer="```output\n1\n```\n",
        output="1",
    )


# Text between two marks: a hint and the text around it, with open, closed and cut thoughts.
THOUGHTS = st.sampled_from(["{}", "<think>\n{}\n</think>\n", "<think>\n{}", "{}\n</think>\n"])
STRETCHES = st.lists(st.tuples(THOUGHTS, WORDS, WORDS.filter(str.strip)), max_size=4)


def stretch(pieces: list[tuple[str, str, str]]) -> str:
    """Return text and hints in turn, as the environment builds it."""
    text = ""
    for form, words, hint in pieces:
        text += form.format(words)
        text += f"{'' if not text or text[-1].isspace() else chr(10)}<hint>{hint.strip()}</hint>\n"
    return text


def bare(text: str) -> str:
    """Return the text without tags, marks, fences and white space, which may be lost."""
    text = text.replace(HINT_PREFIX, "").replace(CONTINUE_REQUEST, "")
    return re.sub(r"</?think>|</?hint>|```(?:python|output)|[`\s]", "", text)


@st.composite
def runs(draw: st.DrawFn) -> str:
    """Return the text of a trajectory with hints, programs and outputs, after the prompt."""
    text = ""
    for _ in range(draw(st.integers(0, 3))):
        text += stretch(draw(STRETCHES)) + draw(WORDS)
        text = appended(f"{text}\n```python\n{draw(PROGRAMS)}\n```\n", ran(draw(WORDS)))
    return text + stretch(draw(STRETCHES)) + draw(st.just("") | WORDS)


@given(runs(), st.booleans(), st.booleans())
def test_message_order_is_valid_for_every_endpoint(text, thoughts, acknowledge):
    sent = turns(render(QUESTION) + text, thoughts=thoughts, acknowledge=acknowledge)
    assert sent[-1]["role"] in ("user", "tool")
    for before, message in pairwise(sent):
        assert (before["role"] == "assistant" and "tool_calls" in before) == (message["role"] == "tool")
        assert not (before["role"] == message["role"] == "user")
        assert not (acknowledge and before["role"] == "tool" and message["role"] == "user")
    for message in sent[2:]:
        assert message["content"] or "tool_calls" in message
        assert ("reasoning_content" in message) == (thoughts and message["role"] == "assistant")
        assert "<hint>" not in json.dumps(message)
        assert "<think>" not in json.dumps(message)


@given(runs())
def test_all_text_except_closed_thoughts_is_sent_in_order(text):
    sent = turns(render(QUESTION) + text)
    shown = "".join(words(message) for message in sent[2:])
    merged = sent[1]["content"].removeprefix(QUESTION[1]["content"])
    kept = re.sub(r"<think>\n?((?:(?!<think>|<hint>).)*?)\n?</think>\n?", "", text, flags=re.DOTALL)
    assert bare(merged + shown) == bare(kept)
    hints = [bare(hint) for hint in re.findall("<hint>(.*?)</hint>", text, re.DOTALL)]
    turned = [message["content"] for message in sent[1:] if message["role"] == "user"]
    pieces = [bare(piece) for turn in turned for piece in turn.split(HINT_PREFIX)[1:]]
    assert pieces == hints


@given(runs())
def test_a_lesson_has_all_text_in_order_without_user_turns(text):
    messages = lesson(render(QUESTION) + text)
    assert messages[:2] == QUESTION
    assert {message["role"] for message in messages[2:]} <= {"assistant", "tool"}
    assert bare("".join(words(message) for message in messages[2:])) == bare(text)
    for message in messages[2:]:
        assert message["content"] or "tool_calls" in message or message["role"] == "tool"
        if message["role"] == "assistant":
            assert message["content"].count("<think>") == message["content"].count("</think>") <= 1
            assert message["content"].find("<think>") in (-1, 0)
    answers = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert answers == [call["id"] for message in messages for call in message.get("tool_calls", ())]


def words(message: dict) -> str:
    """Return the content of a message and the program that it calls."""
    codes = [json.loads(call["function"]["arguments"])["code"] for call in message.get("tool_calls", ())]
    return "".join([message["content"] or "", *codes])


def test_a_hint_that_cut_a_thought_is_inside_it_in_a_lesson():
    text = (
        "<think>\nBy hand, 2 times\n<hint>Wait, let me use code.</hint>\n"
        f"<think>\nYes.\n</think>\nLet me run it.\n```python\nprint(1)\n```\n{ran('1')}"
        f"<hint>Wait, I trust it.</hint>\nThe answer is \\boxed{{1}}."
    )
    called, answer, last = lesson(render(QUESTION) + text)[2:]
    assert called == {
        "role": "assistant",
        "content": "<think>\nBy hand, 2 times\nWait, let me use code.\nYes.\n</think>\n\nLet me run it.",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "run_python", "arguments": arguments("print(1)\n")},
            }
        ],
    }
    assert answer == {"role": "tool", "tool_call_id": "call_1", "content": "1"}
    assert last == {"role": "assistant", "content": "Wait, I trust it.\nThe answer is \\boxed{1}."}


def test_a_last_thought_ends_after_the_hint_in_a_lesson():
    text = "<think>\nBy hand\n<hint>Wait.</hint>\nThe answer is 1."
    assert lesson(render(QUESTION) + text)[2]["content"] == "<think>\nBy hand\nWait.\n</think>\n\nThe answer is 1."
