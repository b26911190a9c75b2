"""Token ids for the page: lengths per token, and one vocabulary for all, since the ids follow from the texts.

Ids would double the size of a page. A token's text nearly always has the same id; the exceptions are listed.
"""

from collections.abc import Mapping
from typing import Any

from storm_calm.env.transcript import Span

ZERO = ord("0")
"""The character code of a token without text; each character more of a token is one more."""
LONGEST = 50_000
"""Characters of the longest token: codes of half surrogate pairs are above."""

Packed = str | list[Any] | None
"""The lengths of a span's tokens as characters; with a list, also the ids that the texts do not determine, by place."""


def token_data(span: Span) -> dict[str, Any]:
    """Return the ids and lengths of a span's tokens; nothing without ids. Lengths are in UTF-16, as in a browser."""
    if span.ids is None or span.ends is None:
        return {}
    ends = span.ends if max(span.text, default="") <= "\uffff" else _utf16(span)
    lengths = [end - start for start, end in zip((0, *ends), ends, strict=False)]
    return {} if max(lengths, default=0) > LONGEST else {"ids": list(span.ids), "lengths": lengths}


def _utf16(span: Span) -> list[int]:
    wide = [0]
    for char in span.text:
        wide.append(wide[-1] + 1 + (char > "\uffff"))
    return [wide[end] for end in span.ends or ()]


class Vocabulary:
    """The texts of tokens with their ids."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def pack(self, trajectory: Mapping[str, Any]) -> list[Packed]:
        """Move the tokens out of a trajectory's spans, and return them per span: compressed apart, they are small."""
        return [self._packed(span) if "ids" in span else None for span in trajectory["spans"]]

    def _packed(self, span: dict[str, Any]) -> Packed:
        ids, lengths = span.pop("ids"), span.pop("lengths")
        text = span["text"] if "text" in span else "".join(part["text"] for part in span["parts"])
        encoded = text.encode("utf-16-le", "surrogatepass")
        place, other = 0, {}
        for number, (length, id_) in enumerate(zip(lengths, ids, strict=True)):
            token = encoded[place : place + 2 * length].decode("utf-16-le", "surrogatepass")
            place += 2 * length
            if self.ids.setdefault(token, id_) != id_:
                other[number] = id_
        packed = "".join(chr(ZERO + length) for length in lengths)
        return [packed, other] if other else packed
