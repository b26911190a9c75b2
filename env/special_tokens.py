"""Escape the names of special tokens in untrusted text.

Raw prompts spell out chat templates and special tokens. A question, a file or a program's output with such a name could
otherwise end its own turn and write as the model.
"""

import re
from collections.abc import Iterable

_MARK = re.compile(
    # <|im_end|>, <|eot_id|>, and DeepSeek's, whose bars are full-width.
    r"<(?=[|｜]"
    r"|/?(?:think|tool_calls?|tool_responses?|tools|s|bos|eos|pad|unk|mask|hint)>"
    r"|(?:start|end)_of_(?:turn|image)>|/?(?:start|end)_header_id>)"
    # Mistral's and Llama 2's names.
    r"|\[(?=/?(?:INST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|SYSTEM_PROMPT|THINK)\])"
    r"|<(?=</?SYS>>)",
)


def harmless(text: str, names: Iterable[str] = ()) -> str:
    """Insert a space into common names of special tokens in `text`, and into `names`, those of one tokenizer."""
    text = _MARK.sub(lambda found: f"{found[0]} ", text)
    known = [re.escape(name[0]) + f"(?={re.escape(name[1:])})" for name in names if len(name) > 1]
    return re.sub("|".join(known), lambda found: f"{found[0]} ", text) if known else text
