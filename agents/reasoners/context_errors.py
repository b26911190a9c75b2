"""Recognize the errors with which model servers reject a request that does not fit, and compute what would.

OpenAI has an error code for it. The other servers only have words:

    vLLM        This model's maximum context length is 4096 tokens. However, you requested 5000 tokens ...
                'max_tokens' or 'max_completion_tokens' is too large: 4000. This model's maximum context length is 4096
                tokens and your request has 200 input tokens (4000 > 4096 - 200).
    llama.cpp   the request exceeds the available context size, try increasing it
    SGLang      The input (5000 tokens) is longer than the model's context length (4096 tokens).
    TGI         `inputs` tokens + `max_new_tokens` must be <= 4096
    Anthropic   prompt is too long: 210000 tokens > 200000 maximum
    OpenAI      max_tokens is too large: 100000. This model supports at most 16384 completion tokens
    DeepSeek    Invalid max_tokens value, the valid range of max_tokens is [1, 8192]
"""

import re

MIN_GUESS = 256
"""The smallest token limit to try if the error names no number."""
MAX_ERROR_CHARS = 2000
"""Longer error messages are cut."""

_STATUSES = (400, 413, 422)
_WORDS = re.compile(
    r"context[ _.-]?(?:length|window|size)|maximum context|exceed_context|max_new_tokens|(?:prompt|input) is too long"
    r"|too many (?:input |prompt )?tokens",
    re.IGNORECASE,
)
_CONTEXT = re.compile(r"context (?:length|window|size)[^\d]{0,40}(\d{1,9})|must be <= (\d{1,9})", re.IGNORECASE)
_PROMPT = re.compile(
    r"(\d{1,9}) (?:input tokens|`inputs` tokens|in the messages|in your prompt|of text input|tokens from the input)"
    r"|\b(?:input|request|prompt) \((\d{1,9}) tokens\)",
    re.IGNORECASE,
)
_TOTAL = re.compile(r"requested (?:about |a total of )?(\d{1,9}) tokens", re.IGNORECASE)
_ANSWER = re.compile(
    r"at most (\d{1,9}) completion tokens|less than or equal to `?(\d{1,9})|max_tokens: \d{1,9} > (\d{1,9})"
    r"|range of max_tokens is \[1, ?(\d{1,9})\]|max_tokens\W{1,3}must be (?:at most|<=) (\d{1,9})",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(
    r"max_(?:completion_|new_)?tokens\b[^.]{0,60}?\b(?:too (?:large|high|big)|exceeds?|out of range)", re.IGNORECASE
)


def is_context_error(status: int | None, text: str) -> bool:
    """Return whether an error response is about the length of the prompt. text: the body or message of the error."""
    return status in _STATUSES and _WORDS.search(text[:MAX_ERROR_CHARS]) is not None


def fitting_tokens(status: int | None, text: str, max_tokens: int) -> int | None:
    """Return the token limit of an answer that the server would accept, less than `max_tokens`.

    None if the error is about something else, or if the prompt alone does not fit.
    """
    if status not in _STATUSES:
        return None
    text = text[:MAX_ERROR_CHARS]
    answer, context = _number(_ANSWER, text), _number(_CONTEXT, text)
    prompt, total = _number(_PROMPT, text), _number(_TOTAL, text)
    if prompt is None and total is not None:
        prompt = total - max_tokens
    if answer is not None:
        fitting = answer
    elif context is not None and prompt is not None:
        fitting = context - prompt
    elif _TOO_LARGE.search(text):
        fitting = max_tokens // 2 if max_tokens > MIN_GUESS else 0
    else:
        return None
    return fitting if 1 <= fitting < max_tokens else None


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return next((int(group) for group in found.groups() if group), None) if found else None
