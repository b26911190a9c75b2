"""Where a segment stops, in text: at a stop string, which stays, or at the end of the turn, which goes."""

from __future__ import annotations

from collections.abc import Sequence

from storm_calm.env.reasoner import Chunk
from storm_calm.env.transcript import Finish

END_TOKENS = ("<|im_end|>", "<|endoftext|>")
"""Special tokens that close a turn, as they read where a server writes them out."""
_LONGEST = max(map(len, END_TOKENS)) - 1


def after_stop(text: str, stop: Sequence[str], *, new: int) -> int | None:
    """How many characters follow the first stop string that ends in the last `new` characters; None without one."""
    ends = []
    for word in stop:
        start = text.find(word, max(0, len(text) - new - len(word) + 1))
        if start >= 0:
            ends.append(start + len(word))
    return len(text) - min(ends) if ends else None


class TextSegment:
    """Makes chunks out of a stream of text without ids."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._text = ""
        self._given = 0

    def feed(self, piece: str) -> Chunk | None:
        """What can be handed on now: all but what may be the beginning of an end-of-turn token."""
        self._text += piece
        over = after_stop(self._text, self._stop, new=len(piece))
        stopped = len(self._text) if over is None else len(self._text) - over
        found = [place for token in END_TOKENS if (place := self._text.find(token, self._given)) >= 0]
        if found and min(found) < stopped:
            return self._chunk(min(found), "end")
        if over is not None:
            return self._chunk(stopped, "stop")
        end = len(self._text) - self._held()
        return self._chunk(end, None) if end > self._given else None

    def finish(self, reason: str, named: str | None) -> Chunk:
        """The last chunk, where the server said why it stopped. named: a stop string that it left out."""
        if reason == "length":
            return self._chunk(len(self._text), "length")
        if named is not None:
            self._text += named
            return self._chunk(len(self._text), "stop")
        return self._chunk(len(self._text), "end")

    def _held(self) -> int:
        """How many characters at the end may be the beginning of an end-of-turn token."""
        tail = self._text[max(self._given, len(self._text) - _LONGEST) :]
        place = tail.find("<")
        while place >= 0:
            if any(token.startswith(tail[place:]) for token in END_TOKENS):
                return len(tail) - place
            place = tail.find("<", place + 1)
        return 0

    def _chunk(self, end: int, finish: Finish | None) -> Chunk:
        text, self._given = self._text[self._given : end], end
        return Chunk(text=text, finish=finish)
