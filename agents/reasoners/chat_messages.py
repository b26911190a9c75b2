"""Convert a transcript into the messages of a chat with tool calls.

    prompt = render([{"role": "user", "content": "How many?"}])
    turns(prompt + "```python\\nprint(2)\\n```\\n```output\\n2\\n```\\n")
    # the user's message, an assistant's with a call of run_python, and a tool's with "2"
    turns(prompt + "By hand, 2.\\n<hint>Wait, let me use code.</hint>\\n")
    # the user's message, an assistant's with "By hand, 2.", and a user's with the hint

The project reads the text of `env.protocol.Inline`, but chat endpoints take messages. `turns` makes those of a request,
and `lesson` those that a model is trained on.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storm_calm.env.code_fences import OUTPUT_BLOCK
from storm_calm.env.protocol import Inline
from storm_calm.env.reasoner import Message
from storm_calm.env.special_tokens import harmless
from storm_calm.env.tool_calls import TOOL_NAME

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
"""The only tool, in the format of endpoints and trainers."""

HINT_MARKS = ("<hint>", "</hint>")
"""Marks before and after a hint in the text. `chat_stream` breaks up such marks in a model's own text."""
HINT_PREFIX = "Go on from this second thought, as if it were your own: "
"""Text before a hint in the user's message, so that the model does not reply to the hint."""
CONTINUE_REQUEST = "Go on from where you stopped."
"""The user's message after a half-finished turn. Most endpoints reject messages that end in an assistant's message, or
answer as if the turn were finished."""
ACKNOWLEDGEMENT = "I have read the output."
"""The assistant's message between a tool's answer and a hint, for endpoints that require one."""
THOUGHT_SIGNATURE = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""Replaces the signature of Gemini's tool calls, which the text does not contain; documented at ai.google.dev."""
_INLINE = Inline()
# Match the innermost pair: a thought before a hint may be unclosed, and another one may follow the hint.
_THOUGHT = re.compile(r"<think>\n?((?:(?!<think>).)*?)\n?</think>\n?", re.DOTALL)
_TAG = re.compile(r"</?think>\n?")
_HINT = re.compile("(.*?)".join(HINT_MARKS) + "\n?", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """A program or a malformed call and its output in a text."""

    before: str
    """The text before the program."""
    block: str
    """The program with its fences."""
    code: str
    """The program; the text of a malformed call."""
    answer: str
    """The output with its fences."""
    output: str


def render(messages: Sequence[Message]) -> str:
    """Return the raw prompt: the messages as one line of JSON. Raises ValueError if the last is not a user message.

    Earlier thoughts are removed. Names of special tokens in user and assistant messages are broken up, as in
    `chat_template.render`: servers of open models parse them in messages too.
    """
    if not messages or messages[-1]["role"] != "user":
        raise ValueError("the last message must be the user's, so that the model answers it")
    plain = [message if message["role"] == "system" else _plain(message) for message in messages]
    return json.dumps(plain, ensure_ascii=False) + "\n"


def _plain(message: Message) -> Message:
    content = message["content"]
    if message["role"] == "assistant":
        content = _without_thoughts(content)
    return {"role": message["role"], "content": harmless(content)}


def read(prompt: str) -> tuple[list[dict[str, Any]], str]:
    """Return the messages in a prompt of `render`, and the text after them. Raises ValueError for other prompts."""
    line, _, text = prompt.partition("\n")
    try:
        messages = json.loads(line)
    except ValueError:
        messages = None
    if not isinstance(messages, list):
        raise ValueError(f"the prompt begins with {line[:40]!r} and not with a line of messages; render it with `chat`")
    return messages, text


def split(text: str) -> tuple[list[Round], str]:
    """Return the rounds at the beginning of `text`, and the unfinished turn after them.

    No text is lost: joining each round's `before`, `block` and `answer` and the rest gives `text` again. A program
    without output is not a round, since endpoints reject a call without an answer.
    """
    rounds: list[Round] = []
    start = position = 0
    while True:
        action = _INLINE.read(text[position:])
        output = OUTPUT_BLOCK.match(text, position + action.end) if action.acts else None
        if later := output or OUTPUT_BLOCK.search(text, position):
            # The turn ended before the output, perhaps with a program that was not closed.
            ended = _INLINE.read(text[position : later.start()], ended=True)
            if ended.acts and position + ended.end == later.start():
                action, output = ended, later
        if not action.acts:
            break
        assert action.start is not None
        begin, end = position + action.start, position + action.end
        position = end
        if output is None:
            continue
        before, block = text[start:begin], text[begin:end]
        code = block.strip() if action.code is None else action.code
        rounds.append(Round(before=before, block=block, code=code, answer=output[0], output=output[1]))
        start = position = output.end()
    return rounds, text[start:]


def turns(
    prompt: str, *, thoughts: bool = False, signatures: bool = False, acknowledge: bool = False
) -> list[dict[str, Any]]:
    """Return the messages to send for `prompt`. The last one is a user or tool message, so that the model continues.

    A hint becomes a user message, after an assistant message with the text before it. Without such text, the hint
    is appended to the previous user message. Closed thoughts are removed. An unclosed thought, which a hint cut
    short, is kept without its tag. A half-finished turn without a hint is followed by `CONTINUE_REQUEST`.

    thoughts: send closed thoughts as `reasoning_content`, required by DeepSeek.
    signatures: add `THOUGHT_SIGNATURE` to tool calls, required by Gemini.
    acknowledge: send `ACKNOWLEDGEMENT` between a tool's answer and a hint, required by Mistral.
    Raises ValueError if the prompt is not from `render`.
    """
    question, text = read(prompt)
    messages = [
        _assistant(message["content"], thoughts=thoughts) if message["role"] == "assistant" else message
        for message in question
    ]

    def add_user_text(content: str) -> None:
        last = messages[-1]
        if last["role"] == "user":
            messages[-1] = {**last, "content": f"{last['content']}\n\n{content}"}
            return
        if acknowledge and last["role"] == "tool":
            messages.append(_assistant(ACKNOWLEDGEMENT, thoughts=thoughts))
        messages.append({"role": "user", "content": content})

    def add_hints(text: str) -> dict[str, Any]:
        """Add messages for `text` up to its last hint. Return the assistant message with the rest."""
        *hinted, rest = _HINT.split(text)
        for before, hint in zip(hinted[::2], hinted[1::2], strict=True):
            message = _assistant(before, thoughts=thoughts)
            if message["content"]:
                messages.append(message)
            add_user_text(f"{HINT_PREFIX}{hint}")
        return _assistant(rest, thoughts=thoughts)

    rounds, unfinished = split(text)
    for number, round in enumerate(rounds, 1):
        message = add_hints(round.before)
        call = _call(number, round)
        if signatures:
            call["extra_content"] = THOUGHT_SIGNATURE
        messages.append({**message, "content": message["content"] or None, "tool_calls": [call]})
        messages.append(_answer(number, round))
    message = add_hints(unfinished)
    if message["content"]:
        messages.append(message)
        add_user_text(CONTINUE_REQUEST)
    return messages


def lesson(transcript: str) -> list[dict[str, Any]]:
    """Return the messages of a finished transcript, for training. Only the assistant and the tool follow the question.

    Hints become part of the assistant's messages: at test time it gets no hints, so it must learn to produce such
    thoughts itself (arXiv 2510.04204). Thoughts are kept. Each message begins with at most one `<think>` block, which
    contains everything up to the end of the message's last thought. Only tags, marks, fences, and white space between
    two pieces are lost. Raises ValueError if the transcript does not begin with a prompt of `render`.
    """
    messages, text = read(transcript)
    rounds, rest = split(text)
    for number, round in enumerate(rounds, 1):
        content = _with_hints(round.before)
        messages.append({"role": "assistant", "content": content, "tool_calls": [_call(number, round)]})
        messages.append(_answer(number, round))
    if content := _with_hints(rest):
        messages.append({"role": "assistant", "content": content})
    return messages


def _call(number: int, round: Round) -> dict[str, Any]:
    # A malformed call is sent as a program, with its error as the output: endpoints reject other names and arguments.
    function = {"name": TOOL_NAME, "arguments": json.dumps({"code": round.code})}
    return {"id": f"call_{number}", "type": "function", "function": function}


def _answer(number: int, round: Round) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": round.output}


def _assistant(text: str, *, thoughts: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": _without_thoughts(text)}
    if thoughts:
        message["reasoning_content"] = "\n".join(_THOUGHT.findall(text))
    return message


def _without_thoughts(text: str) -> str:
    return _TAG.sub("", _THOUGHT.sub("", text)).strip()


def _with_hints(text: str) -> str:
    """Return the assistant's text and the hints in it: one thought at most, then the rest."""
    thought = rest = ""
    parts = _HINT.split(text)
    for before, hint in zip(parts[::2], [*parts[1::2], ""], strict=True):
        closed, tag, after = before.rpartition("</think>")
        piece = f"{after}{hint}\n" if hint else after
        # A hint in an open thought closes it: the model's next text may begin another thought.
        if tag or "<think>" in after:
            thought, rest = thought + rest + closed, ""
        if "<think>" in after:
            thought += piece
        else:
            rest += piece
    thought, rest = _TAG.sub("", thought).strip(), rest.strip()
    return f"<think>\n{thought}\n</think>\n\n{rest}".rstrip() if thought else rest
