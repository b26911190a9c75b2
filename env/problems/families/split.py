"""The train / held-out split: an instance belongs to one of them by its content, for every seed and wording."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

Split = Literal["train", "heldout"]

HELDOUT_SHARE = 5
"""One instance in this many is held out."""


def content_hash(family: str, data: dict[str, Any]) -> str:
    """Return the hash of an instance. Two wordings of the same numbers are the same content."""
    return hashlib.sha256(json.dumps([family, data], sort_keys=True).encode()).hexdigest()


def split_of(content: str) -> Split:
    """Return the split of a content hash; its first 8 digits are enough. No seed can bring the two splits together."""
    return "heldout" if int(content[:8], 16) % HELDOUT_SHARE == 0 else "train"
