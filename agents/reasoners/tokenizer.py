"""Tokens: text to ids and back, with each token's end offset in the text, and the end of a segment.

    tokens = ByteTokens(Path("models/nano/base/tokenizer.json"))
    ids, ends = tokens.encode("Let x be")
    segment = Segment(tokens, stop=("```\\n",))
    chunks = [segment.feed(id) for id in ids]

Each token stands for some bytes, so it can end inside a character. Its end offset is then before that character, and
the token that completes the character ends after it.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from storm_calm.agents.reasoners.stop_strings import END_TOKENS, after_stop
from storm_calm.env.reasoner import Chunk, Encoding
from storm_calm.env.repetition import RepetitionDetector
from storm_calm.env.transcript import Finish

SPACE = "▁"
"""The space in vocabularies that are not byte-level (U+2581)."""
READABLE = (
    "tokenizers of Qwen, SmolLM, Llama, Mistral, DeepSeek, Gemma and gpt-oss models can be used, and other byte-level "
    "BPE; for this model leave the tokenizer out, which is enough for everything but training"
)
TEXT_ENDS = ("<eos>", "</s>")
"""Names of end tokens that ordinary text may have, too, so that only their ids count."""
NEEDED_BYTES = frozenset((ord("\n"), *range(ord(" "), ord("~") + 1), *"\ufffd".encode()))
"""Bytes that every vocabulary has: printable ASCII, line breaks, and the replacement character."""
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


class ByteTokens:
    """A tokenizer whose tokens are bytes of the text: byte-level BPE, or BPE with byte fallback and "▁" for spaces.

    The first kind has Qwen, SmolLM, Llama 3, DeepSeek and gpt-oss; the second Gemma, Llama 2 and Mistral.
    """

    def __init__(self, path: Path) -> None:
        """path: a `tokenizer.json`. End-of-turn tokens that configurations beside it name are read, too.

        Raises ValueError for a tokenizer of another kind, OSError if the file cannot be read.
        """
        settings = _settings(path)
        # A normalizer would change the text and shift the offsets. Byte-level tokens need none.
        spaced = _is_spaced(settings, path)
        settings["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE} if spaced else None
        try:
            self._tokenizer = Tokenizer.from_str(json.dumps(settings))
            # `encode_special_tokens` would not cover added tokens that are not marked as special, such as <think>.
            self._plain = Tokenizer.from_str(json.dumps(settings | {"added_tokens": [], "post_processor": None}))
        except Exception as error:  # The package raises no narrower type.
            raise ValueError(f"{path}: {error}") from error
        added = self._tokenizer.get_added_tokens_decoder()
        self._bytes: dict[int, bytes] = {}
        for token, id in self._tokenizer.get_vocab(with_added_tokens=True).items():
            content = _spaced_bytes(token) if spaced else token.encode() if id in added else _byte_level(token)
            if content is None:
                raise ValueError(f"{path}: token {token!r} is not byte-level; {READABLE}")
            self._bytes[id] = content
        single = {content[0] for id, content in self._bytes.items() if len(content) == 1 and id not in added}
        self._missing = frozenset(range(256)) - single
        if self._missing and (spaced or not self._missing.isdisjoint(NEEDED_BYTES)):
            raise ValueError(f"{path}: {len(self._missing)} bytes have no token of their own; {READABLE}")
        contents = {token.content for token in added.values()}
        # White space forges nothing, and breaking it up would change ordinary text.
        self.names = tuple(sorted((name for name in contents if name.strip()), key=len, reverse=True))
        """Names of special and other added tokens, longest first."""
        usual = [id for id in map(self._tokenizer.token_to_id, END_TOKENS) if id in added]
        # In Gemma the second of these is HTML.
        short = [id for id in map(self._tokenizer.token_to_id, TEXT_ENDS) if id in added and added[id].special]
        ends = [*usual, *short, *(id for id in _declared_ends(path.parent, self._tokenizer) if id in added)]
        self.end_ids = frozenset(ends)
        """Ids that end a turn."""
        self.end_id: int | None = next(iter(ends), None)
        """The usual one of these; None if the tokenizer has none."""

    def __contains__(self, id: int) -> bool:
        return id in self._bytes

    def encode(self, text: str) -> Encoding:
        """Encode text. Names of special tokens in it are plain text."""
        return self._encode(self._plain, text)

    def encode_marked(self, text: str) -> Encoding:
        """Encode text. Names of special tokens in it become these tokens."""
        return self._encode(self._tokenizer, text)

    def _encode(self, tokenizer: Tokenizer, text: str) -> Encoding:
        ids = tuple(tokenizer.encode(self._encodable(text), add_special_tokens=False).ids)
        decoder = self.decoder()
        return ids, tuple(accumulate(len(decoder.feed(id)) for id in ids))

    def _encodable(self, text: str) -> str:
        """Return the text with U+FFFD for each character that no tokens can spell.

        SmolLM2 has no tokens for some control characters. The tokenizer would leave them out or use a special token.
        """
        if self._missing.isdisjoint(text.encode(errors="replace")):
            return text
        return "".join(
            character if self._missing.isdisjoint(character.encode(errors="replace")) else "\ufffd"
            for character in text
        )

    def decoder(self) -> Decoder:
        return Decoder(self._bytes)


class Decoder:
    """A decoder of a stream of ids into complete characters."""

    def __init__(self, table: dict[int, bytes]) -> None:
        self._table = table
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, id: int) -> str:
        """Return the characters that this token completes. Invalid UTF-8 becomes U+FFFD."""
        return self._utf8.decode(self._table[id])

    @property
    def open(self) -> bool:
        """Whether the last token ended inside a character."""
        return bool(self._utf8.getstate()[0])


class Segment:
    """A splitter of a stream of ids into chunks, up to the end of the turn, the first stop string, or a loop."""

    def __init__(self, tokens: ByteTokens, *, stop: Sequence[str]) -> None:
        self._tokens = tokens
        self._stop = stop
        self._decoder = tokens.decoder()
        self._written = ""
        # The next chunk. It has more than one token only if a character takes several.
        self._text = ""
        self._ids: list[int] = []
        self._ends: list[int] = []
        self._loop = RepetitionDetector()
        self._loops = False

    def feed(self, id: int, *, last: bool = False) -> Chunk | None:
        """Return the chunk that this token completes, if any. last: no token follows it.

        If a token continues past a stop string, its text is cut there and the rest is encoded anew. These are the only
        ids that the model did not choose. They end at the end of the text, so that a hint can follow.
        """
        self._ids.append(id)
        if id in self._tokens.end_ids:
            self._ends.append(len(self._text))
            return self.finish("end")
        piece = self._decoder.feed(id)
        self._text += piece
        self._written += piece
        self._ends.append(len(self._text))
        over = after_stop(self._written, self._stop, new=len(piece))
        if over is not None:
            if over or self._decoder.open:
                self._text = self._text[: len(self._text) - over]
                ids, ends = self._tokens.encode_marked(self._text)
                self._ids, self._ends = list(ids), list(ends)
            return self.finish("stop")
        if last:
            return self.finish("length")
        self._loops = self._loop.feed(piece) or self._loops
        if self._loops and not self._decoder.open:
            return self.finish("repetition")
        return None if self._decoder.open else self.finish(None)

    @property
    def begun(self) -> bool:
        """Whether any token was fed."""
        return bool(self._written or self._ids)

    def finish(self, finish: Finish | None) -> Chunk:
        """Return the pending tokens as a chunk."""
        chunk = Chunk(text=self._text, ids=tuple(self._ids), ends=tuple(self._ends), finish=finish)
        self._text, self._ids, self._ends = "", [], []
        return chunk


def _settings(path: Path) -> dict[str, Any]:
    """Return the contents of a `tokenizer.json`, without settings that change or cut texts."""
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        added = [token | {"lstrip": False, "rstrip": False} for token in settings.get("added_tokens") or ()]
        return {**settings, "truncation": None, "padding": None, "added_tokens": added}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: not a tokenizer.json: {error}") from error


def _is_spaced(settings: dict[str, Any], path: Path) -> bool:
    """Return whether the tokenizer writes spaces as "▁" instead of byte-level. Raises ValueError for other kinds.

    Words then have no "▁" in front of a text: spans follow each other.
    """
    model = settings.get("model")
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
        kind = model.get("type") if isinstance(model, dict) else model
        raise ValueError(f"{path}: a {kind} tokenizer is not supported; {READABLE}")
    splits = _parts(settings.get("pre_tokenizer"), "pretokenizers")
    # Files that were converted from GGUF have the flag for byte-level vocabularies, too.
    if not model.get("byte_fallback") or any(split.get("type") == "ByteLevel" for split in splits):
        return False
    parts = [part for part in _parts(settings.get("normalizer"), "normalizers") if part.get("type") != "Prepend"]
    replaced = [(part.get("type"), part.get("pattern"), part.get("content")) for part in parts]
    space = ("Replace", {"String": " "}, SPACE)
    if any(part != space for part in replaced) or not (replaced or splits):
        raise ValueError(f"{path}: its normalizer is not supported; {READABLE}")
    for split in splits:
        if split.get("type") == "Metaspace":
            split["prepend_scheme"] = "never"
            split.pop("add_prefix_space", None)
    return True


def _parts(value: Any, name: str) -> list[dict[str, Any]]:
    """Return the parts of a sequence in a `tokenizer.json`, or the one part that is there."""
    if not isinstance(value, dict):
        return []
    return list(value.get(name) or ()) if value.get("type") == "Sequence" else [value]


def _declared_ends(folder: Path, tokenizer: Tokenizer) -> Iterator[int]:
    """Yield the ids that the configurations in a model's folder name as ends of a turn."""
    token = read_config(folder / "tokenizer_config.json").get("eos_token")
    name = token.get("content") if isinstance(token, dict) else token
    id = tokenizer.token_to_id(name) if isinstance(name, str) else None
    if id is not None:
        yield id
    ids = read_config(folder / "generation_config.json").get("eos_token_id")
    yield from (id for id in (ids if isinstance(ids, list) else [ids]) if isinstance(id, int))


def read_config(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file of a model's folder, {} if it is missing. Raises ValueError if it is invalid."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"{file}: not a JSON object")
    return data


def _spaced_bytes(token: str) -> bytes:
    """Return the bytes of a token of a vocabulary with "▁" for spaces, in which <0x0A> is a byte."""
    byte = _BYTE.fullmatch(token)
    return bytes([int(byte[1], 16)]) if byte else token.replace(SPACE, " ").encode()


def _byte_level(token: str) -> bytes | None:
    """Return the bytes of a token of a byte-level vocabulary; None if it is not byte-level."""
    alphabet = _byte_of_character()
    try:
        return bytes(alphabet[character] for character in token)
    except KeyError:
        return None


@cache
def _byte_of_character() -> dict[str, int]:
    """Return the byte of each printable character in byte-level vocabularies (as in GPT-2)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}
