"""The nano model's tokenizer: byte-level BPE with single digits, and ChatML as Qwen3 writes it.

Single digits matter: a number is copied from the question into a program digit by digit, which a model of this size
learns only if a number has one spelling.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from storm_calm.agents.reasoners import chat_template
from storm_calm.agents.reasoners.tokenizer import ByteTokens
from storm_calm.env.reasoner import Encoding, Message

PAD, IM_START, IM_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = (PAD, IM_START, IM_END, "<think>", "</think>")
"""The marks that are one token each; ids 0 to 4."""

VOCABULARY = 1024
"""Number of tokens, the 256 bytes and the marks included."""

CONTEXT = 1536
"""Tokens of a whole transcript that the model can hold."""

# A digit is the same token wherever it stands, or copying would mean translating. A line break is always a token of its
# own, so that cutting at a line, which is where hints land, never splits a token.
PIECES = Regex(r"\n|[0-9]| ?[A-Za-z]+| ?[^\sA-Za-z0-9]+| +")


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learn the merges from texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(PIECES, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=list(SPECIAL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return tokenizer


class NanoRenderer:
    """The nano model's side of the environment while there is no nano model yet: how text is put to it."""

    instructions: str | None = ""
    """It learns the protocol in training; it is told nothing."""
    context: int | None = CONTEXT
    hint_marks = ("", "")

    def __init__(self, tokenizer: Path | None) -> None:
        """tokenizer: a tokenizer.json; None before there is one, for text without ids."""
        self._tokens = ByteTokens(tokenizer) if tokenizer else None

    def render(self, messages: Sequence[Message]) -> str:
        """ChatML with the assistant's thought opened."""
        return chat_template.render(messages, self._tokens.names if self._tokens else ())

    def encode(self, text: str) -> Encoding | None:
        """Ids, and where each ends."""
        return self._tokens.encode(text) if self._tokens else None

    def encode_marked(self, text: str) -> Encoding | None:
        """The same for a prompt that `render` gave, and for a model's own words."""
        return self._tokens.encode_marked(text) if self._tokens else None
