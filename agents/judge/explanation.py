"""The explanation in a trajectory: the text that the judge reads."""

import re

from storm_calm.env import Episode

_CLOSING = re.compile(r"\\boxed\s*\{\s*(?:\\text\s*\{)?\s*done\s*\}?\s*\}[\s.$*\\\])]*", re.IGNORECASE)
_OPENING = re.compile(r"(?:\$+|\\\[|\\\()\s*\Z")


def explanation_of(episode: Episode) -> str:
    """Return what the model wrote after its last program, without its thoughts and the closing box.

    Returns "" for a trajectory that ended in another way than by the model, such as one without tokens left. A missing
    box does not matter.
    """
    last = episode.transcript.spans[-1] if episode.transcript.spans else None
    if episode.stop not in ("answer", "malformed") or last is None or last.source != "model" or last.finish != "end":
        return ""
    text = episode.transcript.model_text.rpartition("</think>")[2].strip()
    box = text.rfind("\\boxed")
    if box >= 0 and _CLOSING.fullmatch(text, box):
        text = _OPENING.sub("", text[:box].rstrip()).rstrip()
    return text
