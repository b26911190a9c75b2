"""Recognize the errors with which model servers reject a prompt that is too long.

OpenAI has an error code for it. The other servers only have words:

    vLLM        This model's maximum context length is 4096 tokens. However, you requested 5000 tokens ...
    llama.cpp   the request exceeds the available context size, try increasing it
    SGLang      The input (5000 tokens) is longer than the model's context length (4096 tokens).
    TGI         `inputs` tokens + `max_new_tokens` must be <= 4096
    Anthropic   prompt is too long: 210000 tokens > 200000 maximum
"""

import re

_STATUSES = (400, 413, 422)
_WORDS = re.compile(
    r"context[ _.-]?(?:length|window|size)|maximum context|exceed_context|max_new_tokens|(?:prompt|input) is too long"
    r"|too many (?:input |prompt )?tokens",
    re.IGNORECASE,
)


def is_context_error(status: int | None, text: str) -> bool:
    """Return whether an error response is about the length of the prompt. text: the body or message of the error."""
    return status in _STATUSES and _WORDS.search(text) is not None
