"""Escape the names of special tokens in untrusted text.

Raw prompts spell out chat templates and special tokens. A question, a file or a program's output with such a name could
otherwise end its own turn and write as the model.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import takewhile

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
    own = _pattern(tuple(names))
    return own.sub(lambda found: f"{found[0]} ", text) if own else text


@lru_cache(maxsize=16)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str] | None:
    """Return a pattern of the first character of each name; None if there are no names of two or more characters."""
    rests: dict[str, list[str]] = {}
    for name in names:
        if len(name) > 1:
            rests.setdefault(name[0], []).append(name[1:])
    known = [f"{re.escape(first)}(?={_any_of(rest)})" for first, rest in rests.items()]
    return re.compile("|".join(known)) if known else None


def _any_of(words: list[str]) -> str:
    """Return a pattern of any of the words. Some tokenizers have thousands, so their common beginnings are shared."""
    start = "".join(same[0] for same in takewhile(lambda letters: len(set(letters)) == 1, zip(*words, strict=False)))
    rests: dict[str, list[str]] = {}
    for word in words:
        rests.setdefault(word[len(start) : len(start) + 1], []).append(word[len(start) :])
    if "" in rests:
        return re.escape(start)
    return f"{re.escape(start)}(?:{'|'.join(map(_any_of, rests.values()))})"
