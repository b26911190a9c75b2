"""ChatML, as Qwen3's thinking models and the nano model read it: messages become one raw prompt.

    render([{"role": "user", "content": "2 + 2?"}])
    # "<|im_start|>user\\n2 + 2?<|im_end|>\\n<|im_start|>assistant\\n<think>\\n"

The prompt ends in an opened `<think>`, so whatever is appended to it, a hint included, lands inside the model's own
thoughts. Going on from there through a server's chat template would corrupt the half-finished turn silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from storm_calm.env.reasoner import Message
from storm_calm.env.special_tokens import harmless

TURN_END = "<|im_end|>"
"""What closes a turn."""


def render(messages: Sequence[Message], names: Iterable[str] = ()) -> str:
    """The raw prompt, up to where the model begins to think.

    Names of special tokens in what user and assistant say are broken up by a space: those that are common, and `names`,
    those of the tokenizer that will read it. A system message is not for text that comes from others.

    Earlier thoughts are left out of assistant messages, as in the template of Qwen3-4B-Thinking-2507. Raises ValueError
    for a role that ChatML does not have, and where the last message is not the user's.
    """
    if not messages or messages[-1]["role"] != "user":
        raise ValueError("the last message must be the user's, so that the model answers it")
    parts: list[str] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if role not in ("system", "user", "assistant"):
            raise ValueError(f'role {role!r} is none of "system", "user", "assistant"')
        if role == "assistant":
            content = content.rpartition("</think>")[2].lstrip("\n")
        if role != "system":  # That comes from us, and may show how a tool is called.
            content = harmless(content, names)
        parts.append(f"<|im_start|>{role}\n{content}{TURN_END}\n")
    return "".join(parts) + "<|im_start|>assistant\n<think>\n"
