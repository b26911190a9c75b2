"""The tokenizer of a served model: on this machine, and as the server itself encodes."""

from collections.abc import Callable

from storm_calm.agents.reasoners.capabilities import Capabilities
from storm_calm.agents.reasoners.server_answers import ServerAnswers, value
from storm_calm.agents.reasoners.tokenizer import ByteTokens
from storm_calm.env.reasoner import ReasonerError

SAMPLE = "Let x = 12.5 \\leq \\frac{3}{4}, na\u00efve \u6700\u5927.\n```python\nprint(x)\n```\n"
"""A text that tokenizers of different models encode differently."""


def tokenizer_of(capabilities: Capabilities) -> ByteTokens | None:
    """Return the tokenizer in the model's folder, if the server runs on this machine and sends token ids."""
    if capabilities.folder is None or not capabilities.token_ids:
        return None
    try:
        return ByteTokens(capabilities.folder / "tokenizer.json")
    except (OSError, ValueError):  # Missing, or not byte-level.
        return None


def server_ids(capabilities: Capabilities, answers: ServerAnswers, text: str) -> tuple[int, ...] | None:
    """Return the token ids of `text` as the server encodes it; None if it does not encode text."""
    if not capabilities.tokenize:
        return None
    if capabilities.server == "vllm":
        body = {"model": capabilities.model, "prompt": text, "add_special_tokens": False}
    else:
        body = {"content": text, "parse_special": False}
    ids = value(answers.post("/tokenize", body), "tokens")
    if not isinstance(ids, list) or not all(isinstance(id, int) for id in ids):
        return None
    return tuple(ids)


def check_tokenizer(tokens: ByteTokens, url: str, encode: Callable[[str], tuple[int, ...] | None]) -> None:
    """Raise ReasonerError if the server encodes text differently. encode: the server's encoding; None if unknown."""
    theirs = encode(SAMPLE)
    if theirs is not None and theirs != tokens.encode(SAMPLE)[0]:
        raise ReasonerError(
            f"{url}: the server encodes text differently from the given tokenizer; "
            "give the tokenizer.json of the model that is served"
        )
