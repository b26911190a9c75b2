"""Render messages as one raw prompt in ChatML, the template of Qwen3's thinking models and of the nano model.

    render([{"role": "user", "content": "2 + 2?"}])
    # "<|im_start|>user\\n2 + 2?<|im_end|>\\n<|im_start|>assistant\\n<think>\\n"

The prompt ends in an opened `<think>`, so any text after it, hints included, is part of the model's own thought. A
server's chat template would silently corrupt such a half-finished turn.
"""

from collections.abc import Iterable, Sequence

from storm_calm.env.reasoner import Message
from storm_calm.env.special_tokens import harmless

TURN_END = "<|im_end|>"


def render(messages: Sequence[Message], names: Iterable[str] = ()) -> str:
    """Return the raw prompt, up to the beginning of the model's thought.

    Earlier thoughts are removed from assistant messages, as in the template of Qwen3-4B-Thinking-2507. Names of special
    tokens in user and assistant messages are broken up by a space: the common ones, and `names`, those of the model's
    tokenizer. System messages are unchanged, so they must not contain untrusted text.

    Raises ValueError for an unknown role, or if the last message is not the user's.
    """
    if not messages or messages[-1]["role"] != "user":
        raise ValueError("the last message must be the user's, so that the model answers it")
    parts: list[str] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if role not in ("system", "user", "assistant"):
            raise ValueError(f'role {role!r} is not one of "system", "user", "assistant"')
        if role == "assistant":
            content = content.rpartition("</think>")[2].lstrip("\n")
        if role != "system":  # System messages are our own, and may show how a tool is called.
            content = harmless(content, names)
        parts.append(f"<|im_start|>{role}\n{content}{TURN_END}\n")
    return "".join(parts) + "<|im_start|>assistant\n<think>\n"
