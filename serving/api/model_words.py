r"""The model's final words as Markdown that any client can show, while they are generated.

    words = ModelWords()
    words.feed("The profit is $\\boxed{120.0}$.<|im_end|>") + words.finish()    # "The profit is **120**."

Boxes become bold text. Template tokens and fences without a partner are removed. Images, links and HTML become plain
text: a client would load an image by itself, and so send what its address contains to another server.
"""

import re

from storm_calm.env.answer_grammar.latex import FRACTIONS, WRAPPERS
from storm_calm.env.one_line import one_line

MAX_BLOCK_CHARS = 4000
"""Characters of a fence or displayed formula that are held back until it ends."""
MAX_BOX_CHARS = 300
MAX_SENTENCE_CHARS = 2000

_TOKEN = re.compile(
    r"<[|｜][^<>|｜\n]{0,60}[|｜]>"
    r"|</?(?:think|tool_calls?|tool_responses?|tools|s|bos|eos|pad|unk|mask|hint)>"
    r"|</?(?:start|end)_of_(?:turn|image)>|<\|?(?:start|end)_header_id\|?>|<</?SYS>>"
    r"|\[/?(?:INST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|SYSTEM_PROMPT|THINK)\]"
)
_BOX = re.compile(r"\\+f?box(?:ed)?\s*\{")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^\n]*)")
_LOST_FENCE = re.compile(r"^( {0,3})(?=`{3}|~{3})", re.MULTILINE)
_DISPLAYED = (("\\[", "\\]"), ("$$", "$$"))
_BEFORE = re.compile(r"\s*(?:[\w\s\\{}*'(),:+/.-]{1,60}(?:=|:|\\approx))?\s*")
_AFTER = re.compile(r"(?:\s|\\[,;:! %]|\\(?:text|mathrm)\{[\w\s/%.]{0,30}\}|[.,;])*")
"""The rest of a short formula around a box, such as "Z = " and a unit."""
_FORMULAS = (*_DISPLAYED, ("\\(", "\\)"), ("$", "$"))
# Where an image, a link, a link's address or a tag would begin; a space there makes it text.
_ACTIVE = re.compile(r"(?<=!)(?=\[)|(?<=\])(?=[(:])|(?<=<)(?=[A-Za-z/!?|｜])")
# A mark whose meaning depends on the rest of its line, unless the next character settles it.
_UNSETTLED = re.compile(r"\\|\$(?!\d)|<(?![\s\d=])|!(?![^\[])|\](?![^(:])|\[(?![^A-Z/])")

_SIGNS = {
    **dict.fromkeys(WRAPPERS, ""),
    **dict.fromkeys(("le", "leq", "leqslant"), "≤"),
    **dict.fromkeys(("ge", "geq", "geqslant"), "≥"),
    **dict.fromkeys(("ne", "neq"), "≠"),
    **dict.fromkeys(("to", "rightarrow"), "→"),
    **dict.fromkeys(("dots", "ldots"), "…"),
    **dict.fromkeys(("quad", "qquad"), " "),
    "times": "×",
    "cdot": "·",
    "div": "/",
    "pm": "±",
    "infty": "∞",
    "degree": "°",
    "approx": "≈",
    "sim": "~",
}


class ModelWords:
    """A streaming filter for the answer of one model."""

    def __init__(self) -> None:
        self._line = ""
        """The passed part of the current line."""
        self._held = ""
        self._block: list[str] = []
        """The lines of an open fence or displayed formula."""
        self._end = ""
        """The mark that ends it."""
        self._before = ""
        """The passed part of its first line."""
        self._breaks = ""
        """Line breaks at the end, which are passed on before further text only."""
        self._empty = True

    def feed(self, text: str) -> str:
        """Return the Markdown that is certain. Text that may begin a mark is held back."""
        text = text.replace("\r", "")  # Markdown takes it for a line break.
        if self._empty and not (self._held or self._block):
            text = text.lstrip()
        passed: list[str] = []
        *lines, rest = (self._held + text).split("\n")
        for line in lines:
            passed.append(self._passed(self._complete(line)))
            self._line = ""
        certain = 0 if self._block else self._certain(rest)
        self._line += rest[:certain]
        self._held = rest[certain:]
        passed.append(self._passed(rest[:certain]))
        return "".join(passed)

    def finish(self) -> str:
        """Return the held text at the end of the answer or of a segment. Further text begins a new paragraph."""
        last = self._complete(self._held) if self._held or self._block else ""
        block, self._block = self._block, []
        # It was never closed: a fence alone, or a formula that is none.
        lines = block[1:] if block and _FENCE.match(block[0]) else block
        before = [self._before, *[""] * len(lines)]
        text = self._passed(last + "".join(f"{_words(*one)}\n" for one in zip(before, lines, strict=False)))
        self._line, self._held, self._breaks = "", "", "" if self._empty else "\n\n"
        return text

    def _passed(self, text: str) -> str:
        text = self._breaks + text
        self._breaks = ""
        if self._empty:
            text = text.lstrip("\n")
        kept = text.rstrip("\n")
        if kept:
            self._breaks, self._empty = text[len(kept) :], False
            return kept
        self._breaks = "" if self._empty else text
        return ""

    def _certain(self, rest: str) -> int:
        """Return how many characters of the incomplete line may be passed on."""
        if not self._line and not rest.strip(" ").lstrip("`~"):
            return 0  # Perhaps a fence.
        if not self._line and rest.lstrip(" ")[:1] in ("`", "~"):
            return 0
        found = _UNSETTLED.search(rest)
        certain = len(rest) if found is None else found.start()
        # A box at the start of the line may be all of it.
        return certain if (self._line + rest[:certain]).strip() else 0

    def _complete(self, line: str) -> str:
        """Return the rest of a complete line, or nothing inside of a block."""
        if self._block:
            self._block.append(line)
            return self._ended_block()
        line = _without_tokens(line)
        fence = None if self._line else _FENCE.match(line)
        # The info string of a fence of backticks has none.
        if fence and not (fence[1][0] == "`" and "`" in fence[2]):
            self._block, self._end, self._before = [line], fence[1], ""
            return ""
        for opening, closing in _DISPLAYED:
            if opening in line and closing not in line[line.index(opening) + 2 :]:
                self._block, self._end, self._before = [line], closing, self._line
                return ""
        if self._empty and not self._line and (alone := _only_box(line)):
            return f"The answer is {_bold(alone)}.\n"
        return _words(self._line, line) + "\n"

    def _ended_block(self) -> str:
        """Return the block if it has ended, or if it is too long to be held."""
        lines, last = self._block, self._block[-1]
        fenced = _FENCE.match(lines[0]) is not None
        closing = _FENCE.match(last) if fenced else None
        ended = (
            closing is not None and closing[1].startswith(self._end) and not closing[2].strip()
            if fenced
            else self._end in last
        )
        if not ended and sum(map(len, lines)) <= MAX_BLOCK_CHARS:
            return ""
        self._block = []
        if not fenced:
            text = "\n".join(lines)
            alone = "" if self._before else _only_box(text)
            return (_bold(alone) if alone else _words(self._before, text)) + "\n"
        inner = lines[1:-1] if ended else lines[1:]
        if not "".join(inner).strip():
            return ""
        if not ended:
            return "".join(f"{_words('', line)}\n" for line in inner)
        plain = [_neutral(_unboxed(line)) for line in inner]
        return "\n".join([_neutral(lines[0]), *plain, last]) + "\n"


def model_words(text: str) -> str:
    """Return a whole answer as Markdown."""
    words = ModelWords()
    return words.feed(text) + words.finish()


def escaped(text: str) -> str:
    """Return a sentence of other origin as Markdown on one line without any markup."""
    text = one_line(text, MAX_SENTENCE_CHARS)
    text = re.sub(r"([\\`*\[\]<>|~])", r"\\\1", text)
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)
    text = re.sub(r"&(?=#|\w+;)", r"\\&", text)
    return re.sub(r"(?<=www)\.", r"\\.", text.replace("://", ":\\//"))


def _words(before: str, text: str) -> str:
    """Return a line, or a formula of several, as Markdown. before: the part of the line that was passed on."""
    parts: list[str] = []
    while (found := _BOX.search(text)) is not None:
        end = _closing_brace(text, found.end())
        left, inside = text[: found.start()], text[found.end() : end]
        right = text[end + 1 :]
        done = before + "".join(parts)
        for opening, closing in _FORMULAS:
            start, stop = left.rfind(opening), right.find(closing)
            if start < 0 or stop < 0 or not _BEFORE.fullmatch(left[start + len(opening) :]):
                continue
            if _AFTER.fullmatch(right[:stop]):
                # A short formula with a box is text, for clients without formulas.
                name, unit = escaped(_plain(left[start + len(opening) :])), escaped(_plain(right[:stop]))
                left = left[:start] + (f"{name} " if name else "")
                right = (f" {unit}" if unit[:1].isalnum() else unit) + right[stop + len(closing) :]
                break
        parts += [left, _shown_box(done + left, inside, right)]
        text = right
    last = before[-1:]
    shown = _neutral(last + "".join([*parts, text]))[len(last) :]
    # What was removed may leave a fence at the start of a line.
    return _LOST_FENCE.sub(lambda found: found[0] if before and not found.start() else f"{found[1]}\\", shown)


def _shown_box(left: str, inside: str, right: str) -> str:
    """Return the content of a box between its neighbours: bold, unless it is in a formula, code or bold text."""
    if _in_formula(left, right):
        return f"\\mathbf{{{_neutral(_unboxed(inside))}}}"
    if left.count("`") % 2:
        return _plain(inside)
    return escaped(_plain(inside)) if left.count("**") % 2 else _bold(inside)


def _in_formula(left: str, right: str) -> bool:
    for opening, closing in (("\\[", "\\]"), ("\\(", "\\)")):
        if left.rfind(opening) > left.rfind(closing) and closing in right:
            return True
    return left.count("$") % 2 == 1 and "$" in right


def _bold(box: str) -> str:
    text = escaped(_plain(box))
    return f"**{text}**" if text else ""


def _only_box(text: str) -> str:
    """Return the content of a box that is all of the text, apart from marks of a formula; "" otherwise."""
    text = text.strip()
    for opening, closing in _FORMULAS:
        if text.startswith(opening) and text.rstrip(".").endswith(closing):
            text = text.rstrip(".")[len(opening) : -len(closing)].strip()
            break
    found = _BOX.match(text)
    if found is None:
        return ""
    end = _closing_brace(text, found.end())
    return text[found.end() : end] if not text[end + 1 :].strip(" .") else ""


def _closing_brace(text: str, start: int) -> int:
    """Return the place of the brace that closes the one before `start`, or the end of the text."""
    depth = 1
    for found in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, start):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if not depth:
            return found.start()
    return len(text)


def _unboxed(text: str) -> str:
    while (found := _BOX.search(text)) is not None:
        end = _closing_brace(text, found.end())
        text = text[: found.start()] + text[found.end() : end] + text[end + 1 :]
    return text


def _plain(formula: str) -> str:
    """Return a short formula in the characters of plain text."""
    text = _unboxed(formula)[:MAX_BOX_CHARS]
    text = _TOKEN.sub("", text)
    text = re.sub(rf"\\(?:{'|'.join(FRACTIONS)})\s*\{{([^{{}}]*)\}}\s*\{{([^{{}}]*)\}}", r"\1/\2", text)
    text = text.replace("{,}", ",").replace("\\\\", ", ")
    text = re.sub(r"\\([a-zA-Z]+)\*?", lambda found: _SIGNS.get(found[1], found[1]), text)
    text = re.sub(r"\\[,;:! ]|~", " ", text)
    text = re.sub(r"\\(?=[^\w\s])|[{}]|^\$+|\$+$", "", text)
    text = " ".join(text.split())
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text)


def _neutral(text: str) -> str:
    """Return Markdown without template tokens, and with images, links and HTML as text."""
    return _ACTIVE.sub(" ", _without_tokens(text))


def _without_tokens(text: str) -> str:
    while (less := _TOKEN.sub("", text)) != text:
        text = less
    return text
