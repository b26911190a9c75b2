"""How text is put to the model in training: a checkpoint's own tokenizer, and the chat that its reasoner renders.

    renderer = CheckpointRenderer(Path("models/nano/base"), instructions="")

The environment encodes prompts, observations and hints with it, the same way as reasoners do in curation and serving.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from storm_calm.agents.reasoners import chat_template
from storm_calm.agents.reasoners.tokenizer import ByteTokens
from storm_calm.env import Finish, Generation
from storm_calm.env.reasoner import Encoding, Message


class CheckpointRenderer:
    """A folder's tokenizer with ChatML: the nano model's, and that of Qwen3's thinking models."""

    hint_marks = ("", "")

    def __init__(self, folder: Path, *, instructions: str | None, context: int | None = None) -> None:
        """instructions: what the model is told before the question, "" for nothing; None for the protocol's own words.

        Raises ValueError where the folder has no tokenizer.json, or one without the marks of ChatML.
        """
        self.instructions = instructions
        self.context = context
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise ValueError(f"{file} is missing; save the model's tokenizer there with save_pretrained")
        self.tokens = ByteTokens(file)
        for mark in ("<|im_start|>", chat_template.TURN_END):
            if len(self.tokens.encode_marked(mark)[0]) != 1:
                raise ValueError(
                    f"{file}: {mark} is not a special token; STORM needs a model with ChatML, such as Qwen3"
                )

    def render(self, messages: Sequence[Message]) -> str:
        """The raw prompt, with the assistant's thought opened."""
        return chat_template.render(messages, self.tokens.names)

    def encode(self, text: str) -> Encoding:
        """`text` by itself: ids, and where each ends."""
        return self.tokens.encode(text)

    def encode_marked(self, text: str) -> Encoding:
        """The same for a prompt that `render` gave, and for a model's own words."""
        return self.tokens.encode_marked(text)

    def read(self, ids: Sequence[int], *, stop: Sequence[str]) -> Generation:
        """What a server sampled, as a generation with the very same ids.

        Tokens after one that closes the turn are not kept. A token that runs past a stop string is kept whole: what is
        trained on is what was sampled, and the environment cuts what it has to.
        """
        decoder, text = self.tokens.decoder(), ""
        kept: list[int] = []
        ends: list[int] = []
        closed = False
        for id in ids:
            kept.append(id)
            closed = id in self.tokens.end_ids
            text += "" if closed else decoder.feed(id)
            ends.append(len(text))
            if closed:
                break
        finish: Finish = "end" if closed else "stop" if any(word in text for word in stop) else "length"
        return Generation(text=text, ids=tuple(kept), ends=tuple(ends), finish=finish)
