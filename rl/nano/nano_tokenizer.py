"""The nano model's tokenizer: byte-level BPE with single digits, and Qwen3's ChatML.

Every digit is its own token. A model of this size learns to copy numbers only if each number has one spelling.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from storm_calm.agents.reasoners import chat_template
from storm_calm.agents.reasoners.tokenizer import ByteTokens
from storm_calm.env.prompt_format import NANO
from storm_calm.env.reasoner import Encoding, Message

PAD, IM_START, IM_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = (PAD, IM_START, IM_END, "<think>", "</think>")
"""The special tokens, with ids 0 to 4."""
VOCABULARY = 1024
"""Number of tokens, with the 256 bytes and the special tokens."""
CONTEXT = 1536
"""The most tokens of a transcript."""

# A digit is the same token at every position. A line break is always its own token, so that cutting at a line, as hints
# do, never splits a token.
PIECES = Regex(r"\n|[0-9]| ?[A-Za-z]+| ?[^\sA-Za-z0-9]+| +")


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(PIECES, "isolated"), byte_level])
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
    """The prompt renderer of the nano model while it is being made."""

    prompt_format = NANO
    instructions = NANO.instructions
    context: int | None = CONTEXT
    hint_marks = ("", "")

    def __init__(self, tokenizer: Path | None) -> None:
        """tokenizer: a tokenizer.json; None to render text without ids."""
        self._tokens = ByteTokens(tokenizer) if tokenizer else None

    def render(self, messages: Sequence[Message]) -> str:
        """Return the ChatML prompt, ending with an opened `<think>`."""
        return chat_template.render(messages, self._tokens.names if self._tokens else (), self.prompt_format)

    def encode(self, text: str) -> Encoding | None:
        return self._tokens.encode(text) if self._tokens else None

    def encode_marked(self, text: str) -> Encoding | None:
        """Encode a rendered prompt, or model text: ChatML marks become special tokens."""
        return self._tokens.encode_marked(text) if self._tokens else None
