"""Read fenced blocks of Markdown by the rules of CommonMark (0.31, section 4.5), for programs in running text.

An opening fence is three or more backticks or tildes after at most white space, list bullets and quote marks; a word
after it names the language. The closing fence is at least as long, of the same character, alone on its line. Lines of
the program lose the indentation of the opening fence.

Programs of models need these tolerances:

- Inside a Python string or comment, no fence closes. Python has no backticks elsewhere, so in code a fence closes with
  any indentation, at the end of a line of code, before an output block, and before other text on its line if the
  program parses.
- An opening fence may follow text on its line if only "python" comes after it.
- A fence of a program closes an open block of the same kind of fence, which models forget to close.
- A first line with less indentation than the fence has its own indentation.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, islice
from typing import NamedTuple

from storm_calm.sandbox.syntax_tree import parse

FENCE = "```"
CODE_START = "```python"
"""The usual opening of a program block; `Opening.program` accepts the other spellings."""

OUTPUT_START = "```output"
TILDE_FENCE = "~~~"

OUTPUT_OPENING = re.compile(r"(?:(?<!`)`{3,}+|(?<!~)~{3,}+)[ \t]*+\{?\.?output", re.IGNORECASE)
"""The beginning of an output block in any spelling, also in the middle of a line."""

OUTPUT_BLOCK = re.compile(r"```output\n(.*?)\n```\n", re.DOTALL)
"""An output block as the environment writes it; group 1 is the output."""

MAX_PARSES = 8
"""Programs parsed to find the end of one block: each takes time in proportion to the text."""

_TAB = 4
_LONGEST_LEAD = 80
_FENCE_LINE = re.compile(r"^([^\n]*?)(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_LEAD = re.compile(r"[ \t]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+|>[ \t]*)*")
_PLAIN_LEAD = re.compile(r"[ \t]*(?:>[ \t]*)*")
_CLOSING = re.compile(r"([ \t]*(?:>[ \t]*)*)(`{3,}|~{3,})(.*)", re.DOTALL)
_NAME = r"(?:(?:i?python|py)[ \t]?\d*(?:\.\d+)*|tool_code|python_code|code_interpreter)"
_PYTHON = re.compile(rf"[ \t]*\{{?[ \t]*\.?{_NAME}(?![\w-])", re.IGNORECASE)
_ONLY_PYTHON = re.compile(rf"{_NAME}\s*", re.IGNORECASE)
_OUTPUT = re.compile(r"[ \t]*\{?\.?output", re.IGNORECASE)
# A word right after a fence names a language; it opens a block and closes none.
_WORD = re.compile(r"[\w{]")
# The line breaks after the fence belong to the block: tokenizers join them to the fence in one token.
_AFTER = re.compile(r"[ \t]*(?:[\r\n]+|\Z)")
# Marks of chat templates at which a program ends if its block is not closed.
_FINAL_MARK = re.compile(r"(?:</think>|<\|\w{1,20}\|>|</s>)[ \t]*$", re.MULTILINE)
_CODE_LINE = re.compile(r"""^[^\n]*?["'#`~\\][^\n]*$""", re.MULTILINE)
_MAYBE_OPENING = re.compile(r"(?:`{1,2}|~{1,2})\Z|(?:`{3,}|~{3,})[^\n]*\Z")

_STRING_START = re.compile(r"#|\"\"\"|'''|\"|'")
_STRING_END = {
    "'": re.compile(r"(?:[^'\\]|\\.)*+'"),
    '"': re.compile(r'(?:[^"\\]|\\.)*+"'),
    "'''": re.compile(r"(?:[^'\\]|\\.|'(?!''))*+'''"),
    '"""': re.compile(r'(?:[^"\\]|\\.|"(?!""))*+"""'),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """An opening fence."""

    start: int
    """Offset of the fence."""
    end: int
    """Offset after its line, without the line break."""
    mark: str
    """The backticks or tildes."""
    lead: str
    """The text before the fence on its line."""
    info: str
    """The text after the fence on its line."""

    @property
    def program(self) -> bool:
        """Whether it opens a Python program."""
        return _PYTHON.match(self.info) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A program block."""

    start: int
    """Offset of the opening fence."""
    end: int
    """Offset after the block and its line breaks; the text's length if it is not closed."""
    code: str | None
    """The program; None if the block is not closed."""


def first_program(text: str, *, ended: bool = False) -> Program | None:
    """Return the first program block of `text`, closed or not; None without one.

    A program inside a block of another language, in longer or other fences, is an example and is left out. A block
    without a language hides programs only if it is closed.
    ended: no text follows. Then a block without a closing fence has the longest program that parses or, if there is
    none, the text up to the first fence; and other blocks that are not closed hide nothing.
    """
    lines = [_Line(*line.span(), *line.groups()) for line in _FENCE_LINE.finditer(text)]
    longest = {char: _longest_closings(lines, char) for char in "`~"}
    number = 0
    while number < len(lines):
        opening = lines[number].opening(text)
        number += 1
        if opening is None:
            continue
        if opening.program:
            return _program(text, opening, ended=ended)
        fence = opening.mark
        if len(fence) <= longest[fence[0]][number]:
            inner = number
            while not lines[inner].closes(fence):
                later = lines[inner].opening(text)
                if later is not None and later.program and later.mark.startswith(fence):
                    break
                inner += 1
            number = inner + lines[inner].closes(fence)
        elif opening.info.strip() and not ended:
            rest = (line.opening(text) for line in lines[number:])
            found = next((one for one in rest if one and one.program and one.mark.startswith(fence)), None)
            return _program(text, found, ended=ended) if found else None
    return None


class OpeningStream:
    """The search for the opening fence of a program in streamed text."""

    def __init__(self) -> None:
        self._line = ""  # The passed part of the last line; only its kind matters.

    def find(self, text: str) -> Opening | None:
        """Return the first opening fence in the complete lines of `text`, the text that has not been passed."""
        passed = len(self._line)
        text = self._line + text[: text.rfind("\n") + 1]
        for found in _FENCE_LINE.finditer(text):
            opening = _Line(*found.span(), *found.groups()).opening(text)
            if opening is not None and opening.program:
                return replace(opening, start=opening.start - passed, end=opening.end - passed)
        return None

    def held(self, text: str) -> int:
        """Return how many characters at the end of `text` may begin an opening fence."""
        line = text[text.rfind("\n") + 1 :]
        found = _MAYBE_OPENING.search(line)
        return len(line) - found.start() if found else 0

    def passed(self, text: str) -> None:
        """Take note of text without an opening fence."""
        _, newline, line = text.rpartition("\n")
        self._line = (line if newline else self._line + line)[-_LONGEST_LEAD:]


@dataclass(frozen=True, kw_only=True, slots=True)
class Closing:
    """The end of a program inside a line."""

    start: int
    """Offset in the line at which the program ends."""
    end: int
    """Offset in the line after the fence."""


class ProgramLines:
    """The lines of a program block, one after another, up to the closing fence."""

    def __init__(self, mark: str) -> None:
        """mark: the opening fence."""
        self._mark = mark
        self._quotes = ""  # Of a string that is open at the end of the last line.
        self._parses = 0
        self.spare: list[tuple[bool, Closing]] = []
        """Fences of the last line that do not close, and whether they are long enough to."""

    def feed(self, line: str, program: Callable[[], str]) -> Closing | None:
        """Return the end of the program if it is in `line`, which has no line break.

        program: returns the program before the line.
        """
        self.spare = []
        fence = _CLOSING.fullmatch(line)
        if fence is None:
            bare = line.rstrip(" \t")
            end = len(bare)
            start = len(bare.rstrip("`"))
            in_code = self._scan(line, start)
            ends = self._mark[0] == "`" and end - start >= len(self._mark) and in_code
            return Closing(start=start, end=end) if ends else None
        lead, mark, rest = fence.groups()
        in_code = self._scan(line, len(lead))
        closing = Closing(start=0, end=fence.end(2))
        if in_code and _OUTPUT.match(rest):
            return Closing(start=0, end=0)
        if mark[0] != self._mark[0]:
            return None
        enough = len(mark) >= len(self._mark)
        if not rest.strip():
            if enough and in_code:
                return closing
            self.spare.append((enough, closing))
        elif enough and in_code and not _WORD.match(rest) and not _PYTHON.match(rest) and self._parses < MAX_PARSES:
            self._parses += 1
            return closing if parse(program()) is not None else None
        return None

    def skip(self) -> None:
        """Skip lines without quotes, fences, comments and backslashes."""
        if len(self._quotes) == 1:
            self._quotes = ""

    def _scan(self, line: str, place: int) -> bool:
        """Read the strings and comments of a line. Return whether `place` is outside of them."""
        inside = False
        begin, at = -1, 0
        while True:
            if not self._quotes:
                found = _STRING_START.search(line, at)
                if found is None:
                    break
                begin, at = found.span()
                if found[0] == "#":
                    inside |= begin < place
                    break
                self._quotes = found[0]
            end = _STRING_END[self._quotes].match(line, at)
            if end is None:
                inside |= begin < place
                if len(self._quotes) == 1 and (len(line) - len(line.rstrip("\\"))) % 2 == 0:
                    self._quotes = ""  # An error in Python, which ends with the line.
                break
            inside |= begin < place < end.end()
            at, self._quotes = end.end(), ""
        return not inside


class _Line(NamedTuple):
    """A line with a fence."""

    start: int
    end: int
    lead: str
    mark: str
    info: str

    def opening(self, text: str) -> Opening | None:
        """Return the opening fence, or None if it is none."""
        if self.mark[0] == "`" and "`" in self.info:
            return None
        if not _LEAD.fullmatch(self.lead) and not (
            self.mark[0] == "`" and self.end < len(text) and _ONLY_PYTHON.fullmatch(self.info)
        ):
            return None
        start = self.start + len(self.lead)
        return Opening(start=start, end=self.end, mark=self.mark, lead=self.lead, info=self.info)

    def closes(self, mark: str) -> bool:
        """Return whether it closes a block that is not a program."""
        return self.mark.startswith(mark) and not self.info.strip() and bool(_PLAIN_LEAD.fullmatch(self.lead))


def _longest_closings(lines: list[_Line], char: str) -> list[int]:
    """Return the length of the longest closing fence from each line on: without it, each open block costs a search."""
    lengths = (len(line.mark) if line.closes(char) else 0 for line in reversed(lines))
    return [*accumulate(lengths, max, initial=0)][::-1]


def _program(text: str, opening: Opening, *, ended: bool) -> Program:
    """Return the program after an opening fence."""
    body = min(opening.end + 1, len(text))
    lines = ProgramLines(opening.mark)
    dedent = _Dedent(opening)
    spare: list[tuple[bool, int, int]] = []

    def code(end: int) -> str:
        return dedent(text[body:end])

    last = body - 1
    for line in _CODE_LINE.finditer(text, body):
        start = line.start()
        if start > last + 1:
            lines.skip()
        last = line.end()
        closing = lines.feed(line[0].rstrip("\r"), partial(code, start))
        if closing is not None:
            after = _AFTER.match(text, start + closing.end) if closing.end else None
            end = after.end() if after else start + closing.end
            return Program(start=opening.start, end=end, code=code(start + closing.start))
        spare += [(enough, start + one.start, start + one.end) for enough, one in lines.spare]
    if not ended or not text[body:].strip():
        return Program(start=opening.start, end=len(text), code=None)
    marks = _FINAL_MARK.finditer(text, body)
    ends = [
        (True, len(text), len(text)),
        *((False, one.start(), one.start()) for one in islice(marks, 1)),
        *spare[::-1],
    ]
    found = next((one for one in ends[:MAX_PARSES] if parse(code(one[1])) is not None), None)
    _, stop, end = found or next((one for one in spare if one[0]), next(iter(spare), ends[0]))
    after = _AFTER.match(text, end)
    return Program(start=opening.start, end=after.end() if after else end, code=code(stop))


class _Dedent:
    """A function that removes quote marks, and the indentation of an opening fence."""

    def __init__(self, opening: Opening) -> None:
        found = _LEAD.match(opening.lead)
        lead = found[0] if found else ""
        self._quoted = lead.count(">")
        self._width = _columns(lead.rpartition(">")[2].removeprefix(" ") if self._quoted else lead)

    def __call__(self, code: str) -> str:
        if not self._quoted and not self._width:
            return code
        lines = [self._unquoted(line) for line in re.findall(r"[^\n]*\n|[^\n]+", code)]
        first = next((line for line in lines if line.strip()), "")
        width = min(self._width, _columns(first[: len(first) - len(first.lstrip(" \t"))]))
        return "".join(_without_indentation(line, width) for line in lines)

    def _unquoted(self, line: str) -> str:
        for _ in range(self._quoted):
            bare = line.lstrip(" \t")
            if not bare.startswith(">"):
                break
            line = bare[1:].removeprefix(" ")
        return line


def _without_indentation(line: str, width: int) -> str:
    columns = place = 0
    while columns < width and line[place : place + 1] in (" ", "\t"):
        columns += 1 if line[place] == " " else _TAB - columns % _TAB
        place += 1
    return " " * max(0, columns - width) + line[place:]


def _columns(lead: str) -> int:
    columns = 0
    for char in lead:
        columns += _TAB - columns % _TAB if char == "\t" else 1
    return columns
