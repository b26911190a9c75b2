"""A transcript as the messages of a chat with tool calls.

    prompt = render([{"role": "user", "content": "How many?"}])
    turns(prompt + "```python\\nprint(2)\\n```\\n```output\\n2\\n```\\n")
    # the user's message, an assistant's with a call of run_python, and a tool's with "2"
    turns(prompt + "By hand, 2.\\n<hint>Wait, let me use code.</hint>\\n")
    # the user's message, an assistant's with "By hand, 2.", and a user's with the hint

All else in this project reads one text, that of `env.protocol.Inline`. Chat endpoints take messages, and
`agents.reasoners.chat` makes them anew for each request. `lesson` makes those that a model is trained on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storm_calm.env.code_fences import OUTPUT_BLOCK
from storm_calm.env.protocol import Inline
from storm_calm.env.reasoner import Message
from storm_calm.env.special_tokens import harmless

TOOL_NAME = "run_python"
"""The tool's name."""

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": TOOL_NAME,
            "description": "Run a whole Python program on its own and get what it prints.",
            "parameters": {
                "type": "object",
                "properties": {"code": {"type": "string", "description": "The program."}},
                "required": ["code"],
            },
        },
    }
]
"""The one tool, as endpoints and trainers want it described."""

HINT_MARKS = ("<hint>", "</hint>")
"""What stands before and after a hint in the text. A model's own text never holds them: `replies` sees to it."""

HINT_PREFIX = "Go on from this second thought, as if it were your own: "
"""What stands before a hint in the user's turn, so that nobody answers it."""

CONTINUE_REQUEST = "Go on from where you stopped."
"""What the user says after a half-finished turn: most endpoints refuse messages that end in the assistant's, or answer
as if the turn were over."""

ACKNOWLEDGEMENT = "I have read the output."
"""What the assistant says between a tool's answer and a hint, for endpoints that want a turn of its there."""

THOUGHT_SIGNATURE = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""In place of the signature that Gemini gives to its calls, which a text can't hold; ai.google.dev documents it."""

_INLINE = Inline()
# The innermost pair: before a hint stands a thought that was never closed, and a new one may follow it.
_THOUGHT = re.compile(r"<think>\n?((?:(?!<think>).)*?)\n?</think>\n?", re.DOTALL)
_TAG = re.compile(r"</?think>\n?")
_HINT = re.compile("(.*?)".join(HINT_MARKS) + "\n?", re.DOTALL)


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
    """The raw prompt: the messages as one line of JSON. Raises ValueError where the last one is not the user's.

    Earlier thoughts are left out, and names of special tokens in what user and assistant say are broken up, as by
    `chat_template.render`: servers of open models read them in messages too.
    """
    if not messages or messages[-1]["role"] != "user":
        raise ValueError("the last message must be the user's, so that the model answers it")
    said = [message if message["role"] == "system" else _plain(message) for message in messages]
    return json.dumps(said, ensure_ascii=False) + "\n"


def _plain(message: Message) -> Message:
    content = message["content"]
    if message["role"] == "assistant":
        content = _TAG.sub("", _THOUGHT.sub("", content)).strip()
    return {"role": message["role"], "content": harmless(content)}


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
        output = OUTPUT_BLOCK.match(text, end)
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


def turns(
    prompt: str, *, thoughts: bool = False, signatures: bool = False, acknowledge: bool = False
) -> list[dict[str, Any]]:
    """The messages to send for `prompt`; the last is the user's or a tool's, so that the model goes on.

    A hint is a turn of the user's, after a turn of the assistant's with what was written before it. Where nothing was,
    it joins the user's turn that it would follow. Closed thoughts are left out. One that was never closed stays,
    without its tag: a hint cut it short. A half-finished turn that no hint follows is followed by `CONTINUE_REQUEST`.
    thoughts: send closed thoughts as `reasoning_content`, which DeepSeek demands.
    signatures: give calls the `THOUGHT_SIGNATURE` that Gemini demands.
    acknowledge: say `ACKNOWLEDGEMENT` between a tool's answer and a hint, which Mistral demands.
    Raises ValueError for a prompt that `render` did not make.
    """
    asked, text = read(prompt)
    messages = [
        _assistant(message["content"], thoughts=thoughts) if message["role"] == "assistant" else message
        for message in asked
    ]

    def interject(words: str) -> None:
        last = messages[-1]
        if last["role"] == "user":
            messages[-1] = {**last, "content": f"{last['content']}\n\n{words}"}
            return
        if acknowledge and last["role"] == "tool":
            messages.append(_assistant(ACKNOWLEDGEMENT, thoughts=thoughts))
        messages.append({"role": "user", "content": words})

    def after_hints(text: str) -> dict[str, Any]:
        """Put down all up to the last hint; what follows it, not put down yet."""
        *hinted, rest = _HINT.split(text)
        for before, hint in zip(hinted[::2], hinted[1::2], strict=True):
            said = _assistant(before, thoughts=thoughts)
            if said["content"]:
                messages.append(said)
            interject(f"{HINT_PREFIX}{hint}")
        return _assistant(rest, thoughts=thoughts)

    rounds, unfinished = split(text)
    for number, round in enumerate(rounds, 1):
        said = after_hints(round.before)
        call = _call(number, round)
        if signatures:
            call["extra_content"] = THOUGHT_SIGNATURE
        messages.append({**said, "content": said["content"] or None, "tool_calls": [call]})
        messages.append(_answer(number, round))
    said = after_hints(unfinished)
    if said["content"]:
        messages.append(said)
        interject(CONTINUE_REQUEST)
    return messages


def lesson(transcript: str) -> list[dict[str, Any]]:
    """The messages of a run that is over, for training: all that follows the question is the assistant's or a tool's.

    Hints stand in the assistant's own words, as they do where they are put into a half-finished turn: at test time
    nobody gives them, so a model has to learn to think of them itself (arXiv 2510.04204). Thoughts are kept: each
    message begins with at most one, in `<think>`, which holds all up to the end of the last one that it is made of.
    Nothing is lost but tags, marks, fences, and white space where two pieces meet.
    Raises ValueError for a transcript that `render` did not begin.
    """
    messages, text = read(transcript)
    rounds, rest = split(text)
    for number, round in enumerate(rounds, 1):
        said = {"role": "assistant", "content": _own_words(round.before), "tool_calls": [_call(number, round)]}
        messages += [said, _answer(number, round)]
    if own := _own_words(rest):
        messages.append({"role": "assistant", "content": own})
    return messages


def _call(number: int, round: Round) -> dict[str, Any]:
    function = {"name": TOOL_NAME, "arguments": json.dumps({"code": round.code})}
    return {"id": f"call_{number}", "type": "function", "function": function}


def _answer(number: int, round: Round) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": round.output}


def _assistant(text: str, *, thoughts: bool) -> dict[str, Any]:
    said = _TAG.sub("", _THOUGHT.sub("", text)).strip()
    message: dict[str, Any] = {"role": "assistant", "content": said}
    if thoughts:
        message["reasoning_content"] = "\n".join(_THOUGHT.findall(text))
    return message


def _own_words(text: str) -> str:
    """What the assistant wrote and the hints in it: one thought at most, then the rest."""
    thought = rest = ""
    parts = _HINT.split(text)
    for before, hint in zip(parts[::2], [*parts[1::2], ""], strict=True):
        closed, tag, after = before.rpartition("</think>")
        said = f"{after}{hint}\n" if hint else after
        # A hint that stands in an open thought closes it: what the model wrote next begins another one, or none.
        if tag or "<think>" in after:
            thought, rest = thought + rest + closed, ""
        if "<think>" in after:
            thought += said
        else:
            rest += said
    thought, rest = _TAG.sub("", thought).strip(), rest.strip()
    return f"<think>\n{thought}\n</think>\n\n{rest}".rstrip() if thought else rest
