"""Find the tokenizer of a served model on this machine."""

from storm_calm.agents.reasoners.capabilities import Capabilities
from storm_calm.agents.reasoners.tokenizer import ByteTokens


def tokenizer_of(capabilities: Capabilities) -> ByteTokens | None:
    """Return the tokenizer in the model's folder, if the server runs on this machine and sends token ids."""
    if capabilities.folder is None or not capabilities.token_ids:
        return None
    try:
        return ByteTokens(capabilities.folder / "tokenizer.json")
    except (OSError, ValueError):  # Missing, or not byte-level.
        return None
