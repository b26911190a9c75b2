"""Decode data files, and show their text in a prompt: on one line, shortened, and without code fences."""

import codecs
import re
from dataclasses import dataclass

MAX_NAME = 60
"""Characters of a name or value in the prompt."""
_FENCE = re.compile(r"~{3,}")
_C1 = re.compile(rb"[\x80-\x9f]")
_PIECE = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """The text of a file."""

    text: str
    """The text; of a long file the beginning, up to the end of a line."""
    encoding: str
    """The encoding that Python needs to read it."""
    complete: bool
    """Whether `text` is the whole file."""


def decode(content: bytes, most: int) -> Decoded | None:
    """Decode the first `most` bytes of a file; None if it is not text.

    UTF-8, or UTF-16 with a byte order mark. Other bytes are read as Windows-1252, or as Latin-1 if they have none of
    its additional characters.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in content:
        return None
    elif content.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    else:
        encoding = "utf-8" if _is_utf8(content) else _single_byte(content)
    text = content[: most & ~1].decode(encoding, errors="replace")
    if "\0" in text:
        return None
    complete = len(content) <= most & ~1
    if not complete:
        text = text[: 1 + max(text.rfind("\n"), text.rfind("\r"))] or text
    return Decoded(text=text, encoding=encoding, complete=complete)


def _is_utf8(content: bytes) -> bool:
    if content.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(content), _PIECE):
            decoder.decode(content[start : start + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _single_byte(content: bytes) -> str:
    if _C1.search(content):
        try:
            bytes(sorted(set(content))).decode("cp1252")
        except UnicodeDecodeError:
            return "latin-1"
        return "cp1252"
    return "latin-1"


def shown(text: str, most: int = MAX_NAME, *, also_quoted: str = "") -> str:
    """Return a name or value for the prompt: as it is, or as a Python string if that shows it better.

    also_quoted: characters that make it a Python string, such as those that separate it from the next value.
    """
    cut = text[:most]
    rest = "..." if len(text) > most else ""
    plain = cut.isprintable() and cut == cut.strip() and cut != "" and not any(char in cut for char in also_quoted)
    if plain and "`" not in cut and not _FENCE.search(cut):
        return cut + rest
    literal = _literal(cut)
    while len(literal) > 2 * most:  # Escapes are longer than their characters.
        cut, rest = cut[: len(cut) // 2], "..."
        literal = _literal(cut)
    return literal + rest


def _literal(text: str) -> str:
    return repr(text).replace("`", "\\x60").replace("~~~", "\\x7e\\x7e\\x7e")


def one_line(text: str, most: int) -> str:
    """Return a line of a file for the prompt."""
    cut = text[:most].replace("`", "'")
    if not cut.isprintable():
        cut = "".join(char if char.isprintable() or char == "\t" else " " for char in cut)
    return _FENCE.sub("~~", cut).rstrip() + ("..." if len(text) > most else "")


def show_number(value: float) -> str:
    """Return a number with at most six significant digits, or as a whole number."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"


def show_size(size: int) -> str:
    """Return a number of bytes for people."""
    for unit, step in (("bytes", 1), ("kB", 1000), ("MB", 1000**2)):
        if size < 1000 * step or unit == "MB":
            break
    if size == 1:
        return "1 byte"
    return f"{size} bytes" if step == 1 else f"{size / step:.3g} {unit}"
