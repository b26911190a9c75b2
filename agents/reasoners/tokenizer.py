"""Byte-level tokens: text to ids and back, with each token's end offset in the text, and the end of a segment.

    tokens = ByteTokens(Path("models/nano/base/tokenizer.json"))
    ids, ends = tokens.encode("Let x be")
    segment = Segment(tokens, stop=("```\\n",))
    chunks = [segment.feed(id) for id in ids]

A byte-level token can end inside a character. Its end offset is then before that character, and the token that
completes the character ends after it.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from tokenizers import Tokenizer

from storm_calm.agents.reasoners.stop_strings import END_TOKENS, after_stop
from storm_calm.env.reasoner import Chunk, Encoding
from storm_calm.env.repetition import RepetitionDetector
from storm_calm.env.transcript import Finish


class ByteTokens:
    """A byte-level BPE tokenizer."""

    def __init__(self, path: Path) -> None:
        """path: a `tokenizer.json`. Raises ValueError if it is not byte-level, OSError if it cannot be read."""
        settings = json.loads(path.read_text(encoding="utf-8"))
        # A normalizer would change the text and shift the offsets. Byte-level tokens need none.
        settings["normalizer"] = None
        try:
            self._tokenizer = Tokenizer.from_str(json.dumps(settings))
            # `encode_special_tokens` would not cover added tokens that are not marked as special, such as <think>.
            self._plain = Tokenizer.from_str(json.dumps(settings | {"added_tokens": [], "post_processor": None}))
        except Exception as error:  # The package raises no narrower type.
            raise ValueError(f"{path}: {error}") from error
        special = self._tokenizer.get_added_tokens_decoder()
        alphabet = _byte_of_character()
        self._bytes: dict[int, bytes] = {}
        for token, id in self._tokenizer.get_vocab(with_added_tokens=True).items():
            if id not in special and not alphabet.keys() >= set(token):
                raise ValueError(f"{path}: token {token!r} is not byte-level")
            self._bytes[id] = token.encode() if id in special else bytes(alphabet[character] for character in token)
        self.names = tuple(sorted((token.content for token in special.values()), key=len, reverse=True))
        """Names of special and other added tokens, longest first."""
        self.end_ids = frozenset(id for id in map(self._tokenizer.token_to_id, END_TOKENS) if id is not None)

    def __contains__(self, id: int) -> bool:
        return id in self._bytes

    def encode(self, text: str) -> Encoding:
        """Encode text. Names of special tokens in it are plain text."""
        return self._encode(self._plain, text)

    def encode_marked(self, text: str) -> Encoding:
        """Encode text. Names of special tokens in it become these tokens."""
        return self._encode(self._tokenizer, text)

    def _encode(self, tokenizer: Tokenizer, text: str) -> Encoding:
        ids = tuple(tokenizer.encode(text, add_special_tokens=False).ids)
        decoder = self.decoder()
        return ids, tuple(accumulate(len(decoder.feed(id)) for id in ids))

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


def _byte_of_character() -> dict[str, int]:
    """Return the byte of each printable character in byte-level vocabularies (as in GPT-2)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}
