"""The train / held-out split: the hash of an instance's data determines it, independently of seed and wording."""

import hashlib
import json
from typing import Any, Literal

Split = Literal["train", "heldout"]

HELDOUT_SHARE = 5
"""One instance in this many is held out."""


def content_hash(family: str, data: dict[str, Any]) -> str:
    """Return the hash of an instance's family and data."""
    return hashlib.sha256(json.dumps([family, data], sort_keys=True).encode()).hexdigest()


def split_of(content: str) -> Split:
    """Return the split of a content hash."""
    return "heldout" if int(content[:8], 16) % HELDOUT_SHARE == 0 else "train"
