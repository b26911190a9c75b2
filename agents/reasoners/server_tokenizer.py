"""How a server encodes text, and whether a tokenizer on this machine encodes it in the same way."""

from contextlib import closing

from storm_calm.agents.reasoners.capabilities import Capabilities
from storm_calm.agents.reasoners.endpoint import Endpoint
from storm_calm.agents.reasoners.server_answers import ServerAnswers, value
from storm_calm.agents.reasoners.tokenizer import ByteTokens
from storm_calm.env.reasoner import ReasonerError

SAMPLE = "Let x = 12.5 \\leq \\frac{3}{4}, na\u00efve \u6700\u5927.\n```python\nprint(x)\n```\n"
"""A text that tokenizers of different models encode differently."""


def server_ids(endpoint: Endpoint, capabilities: Capabilities, text: str) -> tuple[int, ...] | None:
    """Return the token ids of `text` as the server encodes it; None if it does not encode text."""
    if not capabilities.tokenize:
        return None
    if capabilities.server == "vllm":
        body = {"model": capabilities.model, "prompt": text, "add_special_tokens": False}
    else:
        body = {"content": text, "parse_special": False}
    with closing(ServerAnswers(str(endpoint.client.base_url), endpoint.api_key)) as answers:
        ids = value(answers.post("/tokenize", body), "tokens")
    if not isinstance(ids, list) or not all(isinstance(id, int) for id in ids):
        return None
    return tuple(ids)


def check_tokenizer(tokens: ByteTokens, endpoint: Endpoint, capabilities: Capabilities) -> None:
    """Raise ReasonerError if the server encodes text differently from `tokens`."""
    theirs = server_ids(endpoint, capabilities, SAMPLE)
    if theirs is not None and theirs != tokens.encode(SAMPLE)[0]:
        raise ReasonerError(
            f"{endpoint.url}: the server encodes text differently from the given tokenizer; "
            "give the tokenizer.json of the model that is served"
        )
