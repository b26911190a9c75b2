"""The nano model's tokenizer: byte-level BPE with single digits, and ChatML as Qwen3 writes it.

Single digits matter: a number is copied from the question into a program digit by digit, which a model of this size
learns only if a number has one spelling.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from env.reasoner import Encoding, Message

PAD, IM_START, IM_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = (PAD, IM_START, IM_END, "<think>", "</think>")
"""The marks that are one token each; ids 0 to 4."""

VOCABULARY = 1024
"""Number of tokens, the 256 bytes and the marks included."""

CONTEXT = 1536
"""Tokens of a whole transcript that the model can hold."""

# A line break is always a token of its own, so that cutting at a line, which is where hints land, never splits a token.
PIECES = Regex(r"\n| ?[A-Za-z]+| ?[0-9]| ?[^\sA-Za-z0-9]+| +")


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


@dataclass(frozen=True, slots=True)
class NanoCodec:
    """The nano model's side of the environment: how a prompt is rendered and text encoded."""

    tokenizer: Tokenizer
    instructions: str | None = ""
    """The nano model knows the protocol; it is told nothing."""
    context: int | None = CONTEXT

    def render(self, messages: Sequence[Message]) -> str:
        """ChatML with the assistant's thought opened."""
        turns = "".join(f"{IM_START}{m['role']}\n{m['content']}{IM_END}\n" for m in messages)
        return f"{turns}{IM_START}assistant\n<think>\n"

    def encode(self, text: str) -> Encoding:
        """Ids, and where each ends."""
        encoded = self.tokenizer.encode(text, add_special_tokens=False)
        return tuple(encoded.ids), tuple(end for _, end in encoded.offsets)
