"""A transcript as the messages of a chat with tool calls.

    prompt = render([{"role": "user", "content": "How many?"}])
    turns(prompt + "```python\\nprint(2)\\n```\\n```output\\n2\\n```\\n")
    # the user's message, an assistant's with a call of run_python, and a tool's with "2"

All else in this project reads one text, that of `env.protocol.Inline`. Chat endpoints take messages, and
`agents.reasoners.chat` makes them anew for each request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from env.protocol import Inline
from env.reasoner import Message

TOOL = "run_python"
"""The tool's name."""

GO_ON = "Go on from where you stopped."
"""What the user says after a half-finished turn: most endpoints refuse messages that end in the assistant's, or answer
as if the turn were over."""

SIGNATURE = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""In place of the signature that Gemini gives to its calls, which a text can't hold; ai.google.dev documents it."""

_INLINE = Inline()
_OUTPUT = re.compile(r"```output\n(.*?)\n```\n", re.DOTALL)
# The innermost pair: before a hint stands a thought that was never closed, and a new one may follow it.
_THOUGHT = re.compile(r"<think>\n?((?:(?!<think>).)*?)\n?</think>\n?", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """A program and what it printed, as they stand in a text."""

    before: str
    """What was written before the program."""
    block: str
    """The program with its fences."""
    code: str
    """The program."""
    answer: str
    """The output with its fences."""
    output: str
    """The output."""


def render(messages: Sequence[Message]) -> str:
    """The raw prompt: the messages as one line of JSON. Raises ValueError where the last one is not the user's."""
    if not messages or messages[-1]["role"] != "user":
        raise ValueError("the last message must be the user's, so that the model answers it")
    return json.dumps(list(messages), ensure_ascii=False) + "\n"


def read(prompt: str) -> tuple[list[dict[str, Any]], str]:
    """The messages that `render` was given, and the text that follows them.

    Raises ValueError for a prompt that was rendered otherwise.
    """
    line, _, text = prompt.partition("\n")
    try:
        messages = json.loads(line)
    except ValueError:
        messages = None
    if not isinstance(messages, list):
        raise ValueError(f"the prompt begins with {line[:40]!r} and not with a line of messages; render it with `chat`")
    return messages, text


def split(text: str) -> tuple[list[Round], str]:
    """The rounds that `text` begins with, and the turn after them that is not finished.

    Nothing is lost: the rounds' `before`, `block` and `answer` and the rest give `text` again. A program without output
    is no round, since endpoints refuse a call that nobody answered.
    """
    rounds: list[Round] = []
    start = looked = 0
    while (action := _INLINE.read(text[looked:])).code is not None:
        assert action.start is not None
        begin, end = looked + action.start, looked + action.end
        looked = end
        output = _OUTPUT.match(text, end)
        if output is None:
            continue
        rounds.append(
            Round(
                before=text[start:begin],
                block=text[begin:end],
                code=action.code,
                answer=output[0],
                output=output[1],
            )
        )
        start = looked = output.end()
    return rounds, text[start:]


def turns(prompt: str, *, thoughts: bool = False, signatures: bool = False) -> list[dict[str, Any]]:
    """The messages to send for `prompt`, whose half-finished turn ends in the user's `GO_ON`.

    Closed thoughts are left out. One that was never closed stays, without its tag: a hint may stand in it.
    thoughts: send closed thoughts as `reasoning_content`, which DeepSeek demands.
    signatures: give calls the `SIGNATURE` that Gemini demands.
    Raises ValueError for a prompt that `render` did not make.
    """
    asked, text = read(prompt)
    messages = [
        _assistant(message["content"], thoughts=thoughts) if message["role"] == "assistant" else message
        for message in asked
    ]
    rounds, rest = split(text)
    for number, round in enumerate(rounds, 1):
        call: dict[str, Any] = {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": TOOL, "arguments": json.dumps({"code": round.code})},
        }
        if signatures:
            call["extra_content"] = SIGNATURE
        said = _assistant(round.before, thoughts=thoughts)
        messages.append({**said, "content": said["content"] or None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": round.output})
    unfinished = _assistant(rest, thoughts=thoughts)
    if unfinished["content"]:
        messages += [unfinished, {"role": "user", "content": GO_ON}]
    return messages


def _assistant(text: str, *, thoughts: bool) -> dict[str, Any]:
    said = re.sub(r"</?think>\n?", "", _THOUGHT.sub("", text)).strip()
    message: dict[str, Any] = {"role": "assistant", "content": said}
    if thoughts:
        message["reasoning_content"] = "\n".join(_THOUGHT.findall(text))
    return message
