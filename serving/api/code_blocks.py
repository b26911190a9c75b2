"""Split thoughts into prose and programs while they are generated, for APIs with separate items for programs.

split = CodeBlockSplit()
split.feed("I compute it.\\n```python\\nprint(6 * 7)\\n```\\n")
# [("prose", "I compute it.\\n"), ("code", "print(6 * 7)\\n")]
"""

import re
from typing import Literal

from storm_calm.env.code_fences import CODE_OPENING, FENCE

Kind = Literal["prose", "code"]

_MAYBE = re.compile(r"`{1,3}\Z|```[a-z0-9]{0,7}[ \t]*\r?\Z", re.IGNORECASE)


class CodeBlockSplit:
    """A streaming splitter for the thoughts of one answer. It drops fences."""

    def __init__(self) -> None:
        self._coding = False
        self._held = ""

    def feed(self, text: str) -> list[tuple[Kind, str]]:
        """Return the pieces that are certain. Text that may begin a fence is held back."""
        pieces: list[tuple[Kind, str]] = []
        rest = self._held + text
        while True:
            if self._coding:
                # Generation stops at the closing fence; only a line break follows before the output.
                before, fence, after = rest.partition(FENCE)
                if not fence:
                    break
                self._add(pieces, before)
                self._coding, rest = False, after.lstrip("\r\n")
            else:
                opening = CODE_OPENING.search(rest)
                if opening is None:
                    break
                self._add(pieces, rest[: opening.start()])
                self._coding, rest = True, rest[opening.end() :]
        held = _MAYBE.search(rest)
        place = held.start() if held else len(rest)
        self._add(pieces, rest[:place])
        self._held = rest[place:]
        return pieces

    def finish(self) -> list[tuple[Kind, str]]:
        """Return the held text and end an open program."""
        pieces: list[tuple[Kind, str]] = []
        self._add(pieces, self._held)
        self._held, self._coding = "", False
        return pieces

    def _add(self, pieces: list[tuple[Kind, str]], text: str) -> None:
        if text:
            pieces.append(("code" if self._coding else "prose", text))
