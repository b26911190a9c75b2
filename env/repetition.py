"""Detect a model that repeats itself without end.

    loop = RepetitionDetector()
    loop.feed("The total is the the the ")     # False: a piece of a stream
    loop.feed("the " * 200)                    # True

Small models fall into loops: the same word, line or paragraph again and again, up to the end of the context. A text
counts as a loop if its end repeats one unit of at most `MAX_PERIOD` characters exactly, at least `REPEATS` times. Rows
that differ in a single character are no loop. How long the repetition must be depends on the unit:

- `MIN_CHARS` for prose;
- `MIN_BLOCK_CHARS` in a code block, and for units without letters: rulers and rows of zeros can be meant;
- `MIN_FENCE_CHARS` if the unit has a code fence: a block is not written twice before it runs.

Time is linear in the text, and memory is bounded.
"""

import re

MAX_PERIOD = 400
"""The most characters of a repeated unit."""
REPEATS = 4
"""The fewest exact repetitions of a unit."""
MIN_CHARS = 600
"""The fewest characters of a repetition in prose."""
MIN_BLOCK_CHARS = 2400
"""The fewest characters of a repetition in a code block, or without letters."""
MIN_FENCE_CHARS = 100
"""The fewest characters of a repetition with code fences."""
CHECK_CHARS = 50
"""New characters between two checks."""

_PROBE_CHARS = 60
_MAX_CANDIDATES = 16
_WINDOW = max(MIN_BLOCK_CHARS, REPEATS * MAX_PERIOD) + MAX_PERIOD
_FENCE = re.compile("(?<!`)```|(?<!~)~~~")
_LETTER = re.compile(r"[^\W\d_]")


class RepetitionDetector:
    """A detector for one stream of text. It keeps only the end of the text."""

    def __init__(self) -> None:
        self._tail = ""
        self._pieces: list[str] = []
        self._unchecked = 0
        self._in_block = False

    def feed(self, text: str) -> bool:
        """Add text. Return whether the text so far ends in a loop; checked every `CHECK_CHARS` characters."""
        self._pieces.append(text)
        self._unchecked += len(text)
        if self._unchecked < CHECK_CHARS:
            return False
        known, new = self._tail[-3:], "".join(self._pieces)
        # A fence may arrive in pieces: it counts once its third character is new.
        fences = sum(found.end() > len(known) for found in _FENCE.finditer(known + new))
        self._in_block ^= fences % 2 == 1
        self._tail = (self._tail + new)[-_WINDOW:]
        self._pieces.clear()
        self._unchecked = 0
        return self._loops()

    def _loops(self) -> bool:
        tail = self._tail
        start = len(tail) - _PROBE_CHARS
        if start <= 0:
            return False
        # A unit that is repeated brings the last characters back at the distance of its length. They come back at many
        # more distances only if they repeat a shorter unit themselves: the end of the text at another check does not.
        probe, lowest, found = tail[start:], max(0, start - MAX_PERIOD), start
        for _ in range(_MAX_CANDIDATES):
            found = tail.rfind(probe, lowest, found + _PROBE_CHARS - 1)
            if found < 0:
                return False
            period = start - found
            if _is_periodic(tail, period, MIN_FENCE_CHARS) and _is_periodic(tail, period, self._least(tail, period)):
                return True
        return False

    def _least(self, tail: str, period: int) -> int:
        """Return how long a repetition of the last `period` characters must be."""
        # The unit may begin inside a fence.
        unit = tail[-period - 2 :]
        if "```" in unit or "~~~" in unit:
            return MIN_FENCE_CHARS
        return MIN_BLOCK_CHARS if self._in_block or not _LETTER.search(unit) else MIN_CHARS


def _is_periodic(text: str, period: int, length: int) -> bool:
    """Return whether the end of `text` repeats `period` characters, over at least `length` and `REPEATS` times."""
    length = max(length, REPEATS * period)
    return len(text) >= length and text.endswith(text[-length:-period])


def ends_in_loop(text: str) -> bool:
    """Return whether a whole text ends in a loop."""
    return len(text) >= MIN_FENCE_CHARS and RepetitionDetector().feed(text)
