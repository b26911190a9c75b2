"""Split thoughts into prose and programs while they are generated, for APIs with separate items for programs.

split = CodeBlockSplit()
split.feed("I compute it.\\n```python\\nprint(6 * 7)\\n```\\n")
# [("prose", "I compute it.\\n"), ("code", "print(6 * 7)\\n")]
"""

from typing import Literal

from storm_calm.env.code_fences import OpeningStream, ProgramLines

Kind = Literal["prose", "code"]


class CodeBlockSplit:
    """A streaming splitter for the thoughts of one answer. It drops fences."""

    def __init__(self) -> None:
        self._openings = OpeningStream()
        self._lines: ProgramLines | None = None
        """The open program; None in prose."""
        self._program: list[str] = []
        """Its complete lines."""
        self._line = ""
        """The passed part of its last line."""
        self._held = ""
        self._closed = False
        """Whether a program ended just now, so that line breaks are left out."""

    def feed(self, text: str) -> list[tuple[Kind, str]]:
        """Return the pieces that are certain. Text that may begin a fence is held back."""
        pieces: list[tuple[Kind, str]] = []
        rest = self._held + text
        while self._lines is None or "\n" in rest:
            rest = self._without_breaks(rest)
            if self._lines is not None:
                line, _, after = rest.partition("\n")
                rest = self._code(pieces, f"{line}\n", after)
                continue
            opening = self._openings.find(rest)
            if opening is None:
                break
            self._add(pieces, "prose", rest[: opening.start])
            self._lines, self._program, self._line = ProgramLines(opening.mark), [], ""
            rest = rest[opening.end + 1 :]
        held = self._openings.held(rest) if self._lines is None else self._held_code(rest)
        certain = rest[: len(rest) - held]
        if self._lines is None:
            self._openings.passed(certain)
        else:
            self._line += certain
        self._add(pieces, "prose" if self._lines is None else "code", certain)
        self._held = rest[len(rest) - held :]
        return pieces

    def finish(self) -> list[tuple[Kind, str]]:
        """Return the held text and end an open program."""
        pieces: list[tuple[Kind, str]] = []
        rest, self._held = self._held, ""
        if self._lines is not None:
            rest = self._code(pieces, rest, "")
        self._add(pieces, "prose", rest)
        self._openings, self._lines, self._closed = OpeningStream(), None, False
        return pieces

    def _code(self, pieces: list[tuple[Kind, str]], line: str, after: str) -> str:
        """Add the rest of a line of the program. Return the text after it, or after the closing fence."""
        assert self._lines is not None
        whole = self._line + line
        closing = self._lines.feed(whole.rstrip("\r\n"), lambda: "".join(self._program))
        if closing is None:
            self._add(pieces, "code", line)
            self._program.append(whole)
            self._line = ""
            return after
        self._add(pieces, "code", whole[len(self._line) : closing.start])
        self._openings, self._lines, self._closed = OpeningStream(), None, True
        return self._without_breaks(whole[closing.end :] + after)

    def _without_breaks(self, text: str) -> str:
        if not self._closed:
            return text
        text = text.lstrip(" \t\r\n")
        self._closed = not text
        return text

    def _held_code(self, rest: str) -> int:
        """Return how many characters at the end of a program may begin a closing fence."""
        if not (self._line + rest).lstrip(" \t>").strip("`~"):
            return len(rest)
        if (self._line + rest).lstrip(" \t>")[:1] in "`~":
            return len(rest)
        place = rest.find("`")
        return len(rest) - place if place >= 0 else 0

    def _add(self, pieces: list[tuple[Kind, str]], kind: Kind, text: str) -> None:
        if text:
            pieces.append((kind, text))
