"""Find the end of a segment in text: a stop string (kept), an end-of-turn token (removed), or a loop of the model."""

from collections.abc import Sequence

from storm_calm.env.reasoner import Chunk
from storm_calm.env.repetition import RepetitionDetector
from storm_calm.env.transcript import Finish

END_TOKENS = (
    "<|im_end|>",
    "<|eot_id|>",
    "<end_of_turn>",
    "<|return|>",
    "<｜end▁of▁sentence｜>",
    "<|end_of_text|>",
    "<|endoftext|>",
)
"""Names of special tokens that end a turn, which some servers send as text. A model uses the first that it has."""
_LONGEST = max(map(len, END_TOKENS)) - 1


def after_stop(text: str, stop: Sequence[str], *, new: int) -> int | None:
    """Return the number of characters after the first stop string that ends in the last `new` ones, or None."""
    ends = []
    for word in stop:
        start = text.find(word, max(0, len(text) - new - len(word) + 1))
        if start >= 0:
            ends.append(start + len(word))
    return len(text) - min(ends) if ends else None


class TextSegment:
    """A splitter of streamed text without ids into chunks."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._text = ""
        self._emitted = 0
        self._loop = RepetitionDetector()

    def feed(self, piece: str) -> Chunk | None:
        """Return the text that is certain: all but a possible beginning of an end-of-turn token."""
        self._text += piece
        over = after_stop(self._text, self._stop, new=len(piece))
        stopped = len(self._text) if over is None else len(self._text) - over
        found = [place for token in END_TOKENS if (place := self._text.find(token, self._emitted)) >= 0]
        if found and min(found) < stopped:
            return self._chunk(min(found), "end")
        if over is not None:
            return self._chunk(stopped, "stop")
        if self._loop.feed(piece):
            return self._chunk(len(self._text), "repetition")
        end = len(self._text) - self._withheld()
        return self._chunk(end, None) if end > self._emitted else None

    def finish(self, reason: str, named: str | None) -> Chunk:
        """Return the last chunk. reason: the server's finish reason. named: the stop string that it reports."""
        if reason == "length":
            return self._chunk(len(self._text), "length")
        self._text += named or ""
        return self._chunk(len(self._text), "end" if named is None else "stop")

    def _withheld(self) -> int:
        """Return how many characters at the end may begin an end-of-turn token."""
        tail = self._text[max(self._emitted, len(self._text) - _LONGEST) :]
        place = tail.find("<")
        while place >= 0:
            if any(token.startswith(tail[place:]) for token in END_TOKENS):
                return len(tail) - place
            place = tail.find("<", place + 1)
        return 0

    def _chunk(self, end: int, finish: Finish | None) -> Chunk:
        text, self._emitted = self._text[self._emitted : end], end
        return Chunk(text=text, finish=finish)
