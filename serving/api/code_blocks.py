"""Thoughts divided into prose and programs, as they come, for APIs that show a program as an item of its own.

split = CodeBlockSplit()
blocks.feed("I compute it.\\n```python\\nprint(6 * 7)\\n```\\n")
# [("prose", "I compute it.\\n"), ("code", "print(6 * 7)\\n")]
"""

from __future__ import annotations

import re
from typing import Literal

from storm_calm.env.code_fences import CODE_OPENING, FENCE

Kind = Literal["prose", "code"]
"""What a piece is."""

_MAYBE = re.compile(r"`{1,3}\Z|```[a-z0-9]{0,7}[ \t]*\r?\Z", re.IGNORECASE)


class CodeBlockSplit:
    """The thoughts of one answer, divided into prose and programs. Fences are left out."""

    def __init__(self) -> None:
        self._coding = False
        self._held = ""

    def feed(self, text: str) -> list[tuple[Kind, str]]:
        """Return the pieces that are clear by now; what may be the beginning of a fence is held."""
        pieces: list[tuple[Kind, str]] = []
        rest = self._held + text
        while True:
            if self._coding:
                # Generation stops at the closing fence: what follows it, up to the output, is a line break.
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
        """Return what was held; a program that is open ends here."""
        pieces: list[tuple[Kind, str]] = []
        self._add(pieces, self._held)
        self._held, self._coding = "", False
        return pieces

    def _add(self, pieces: list[tuple[Kind, str]], text: str) -> None:
        if text:
            pieces.append(("code" if self._coding else "prose", text))
