"""Byte-level tokens: text to ids and back, with the offset at which each token ends, and where a segment stops.

    tokens = ByteTokens(Path("models/nano/base/tokenizer.json"))
    ids, ends = tokens.encode("Let x be")
    segment = Segment(tokens, stop=("```\n",))
    chunks = [segment.feed(id) for id in ids]

A byte-level token can stop inside a character. It then ends before that character, and whichever token completes the
character ends behind it.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from storm_calm.agents.reasoners.stop_strings import END_TOKENS, after_stop
from storm_calm.env.reasoner import Chunk, Encoding
from storm_calm.env.transcript import Finish


class ByteTokens:
    """A byte-level BPE tokenizer."""

    def __init__(self, path: Path) -> None:
        """path: a `tokenizer.json`. Raises ValueError for one that is not byte-level, OSError where there is none."""
        settings = json.loads(path.read_text(encoding="utf-8"))
        # Normalized text would not be the text that was put in, and offsets would be off. Bytes can hold either.
        settings["normalizer"] = None
        try:
            self._tokenizer = Tokenizer.from_str(json.dumps(settings))
            # Not by its switch `encode_special_tokens`: it leaves added tokens that are not called special, as <think>.
            self._plain = Tokenizer.from_str(json.dumps(settings | {"added_tokens": [], "post_processor": None}))
        except Exception as error:  # The package raises nothing more special.
            raise ValueError(f"{path}: {error}") from error
        special = self._tokenizer.get_added_tokens_decoder()
        alphabet = _byte_of_character()
        self._bytes: dict[int, bytes] = {}
        for token, id in self._tokenizer.get_vocab(with_added_tokens=True).items():
            if id not in special and not alphabet.keys() >= set(token):
                raise ValueError(f"{path}: token {token!r} is not byte-level")
            self._bytes[id] = token.encode() if id in special else bytes(alphabet[character] for character in token)
        self.names = tuple(sorted((token.content for token in special.values()), key=len, reverse=True))
        """The names of special and other added tokens, long ones first."""
        self.end_ids = frozenset(id for id in map(self._tokenizer.token_to_id, END_TOKENS) if id is not None)

    def __contains__(self, id: int) -> bool:
        return id in self._bytes

    def encode(self, text: str) -> Encoding:
        """`text` by itself, nothing added. The names of special tokens in it are text like any other."""
        return self._encode(self._plain, text)

    def encode_marked(self, text: str) -> Encoding:
        """`text` by itself, nothing added. The names of special tokens in it become these tokens."""
        return self._encode(self._tokenizer, text)

    def _encode(self, tokenizer: Tokenizer, text: str) -> Encoding:
        ids = tuple(tokenizer.encode(text, add_special_tokens=False).ids)
        ends: list[int] = []
        decoder, end = self.decoder(), 0
        for id in ids:
            end += len(decoder.feed(id))
            ends.append(end)
        return ids, tuple(ends)

    def decoder(self) -> Decoder:
        """For a stream of ids."""
        return Decoder(self._bytes)


class Decoder:
    """Turns a stream of ids into text, whole characters only."""

    def __init__(self, table: dict[int, bytes]) -> None:
        self._table = table
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, id: int) -> str:
        """The characters that this token completes. Bytes that no text has become U+FFFD."""
        return self._utf8.decode(self._table[id])

    @property
    def open(self) -> bool:
        """Whether the last token stopped inside a character."""
        return bool(self._utf8.getstate()[0])


class Segment:
    """Makes chunks out of a stream of ids, up to the end of the turn or the first stop string."""

    def __init__(self, tokens: ByteTokens, *, stop: Sequence[str]) -> None:
        self._tokens = tokens
        self._stop = stop
        self._decoder = tokens.decoder()
        self._written = ""
        # Of the next chunk. It has more than one token only where a character takes several.
        self._text = ""
        self._ids: list[int] = []
        self._ends: list[int] = []

    def feed(self, id: int, *, last: bool = False) -> Chunk | None:
        """The chunk that this token completes, if any. last: no token follows it.

        Where a token runs on past a stop string its text is cut there, and what is left of it is encoded anew: the only
        ids that the model did not choose itself. They end where the text ends, so a hint can follow.
        """
        self._ids.append(id)
        if id in self._tokens.end_ids:
            self._ends.append(len(self._text))
            return self._chunk("end")
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
            return self._chunk("stop")
        if last:
            return self._chunk("length")
        return None if self._decoder.open else self._chunk(None)

    @property
    def begun(self) -> bool:
        """Whether there was a token yet."""
        return bool(self._written or self._ids)

    def finish(self, finish: Finish) -> Chunk:
        """The last chunk, where there is nothing more to feed."""
        return self._chunk(finish)

    def _chunk(self, finish: Finish | None) -> Chunk:
        chunk = Chunk(text=self._text, ids=tuple(self._ids), ends=tuple(self._ends), finish=finish)
        self._text, self._ids, self._ends = "", [], []
        return chunk


def _byte_of_character() -> dict[str, int]:
    """The printable character that stands for each byte in byte-level vocabularies (as in GPT-2), turned around."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}
