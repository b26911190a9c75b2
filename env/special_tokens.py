"""Text that nobody of ours wrote, made so that it can't pass for what stands around it.

Chat templates and special tokens are spelled out in raw prompts. A question, a file, or a program's output that holds
such a name could otherwise end its own turn and speak as the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_MARK = re.compile(
    # <|im_end|>, <|eot_id|>, and DeepSeek's, whose bars are full-width.
    r"<(?=[|｜]"
    r"|/?(?:think|tool_calls?|tool_responses?|tools|s|bos|eos|pad|unk|mask|hint)>"
    r"|(?:start|end)_of_(?:turn|image)>|/?(?:start|end)_header_id>)"
    # Mistral's and Llama 2's.
    r"|\[(?=/?(?:INST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|SYSTEM_PROMPT|THINK)\])"
    r"|<(?=</?SYS>>)",
)


def harmless(text: str, names: Iterable[str] = ()) -> str:
    """`text` with a space in all names of special tokens that are common, and in `names`, those of one tokenizer."""
    text = _MARK.sub(lambda found: f"{found[0]} ", text)
    known = [re.escape(name[0]) + f"(?={re.escape(name[1:])})" for name in names if len(name) > 1]
    return re.sub("|".join(known), lambda found: f"{found[0]} ", text) if known else text
