"""Render and tokenize prompts for training, with a checkpoint's own tokenizer.

    renderer = CheckpointRenderer(Path("models/nano/base"))

The environment encodes prompts, observations and hints with it, exactly as reasoners do in curation and serving.
"""

from collections.abc import Sequence
from pathlib import Path

from storm_calm.agents.reasoners import chat_template
from storm_calm.agents.reasoners.model_folder import folder_prompt_format
from storm_calm.agents.reasoners.tokenizer import ByteTokens
from storm_calm.env import Finish, Generation
from storm_calm.env.prompt_format import CHATML, PromptFormat
from storm_calm.env.reasoner import Encoding, Message


class CheckpointRenderer:
    """A checkpoint's tokenizer and prompt format."""

    hint_marks = ("", "")

    def __init__(self, folder: Path, prompt_format: PromptFormat | None = None, *, context: int | None = None) -> None:
        """prompt_format: by default the checkpoint's own, or else ChatML with an opened `<think>`.

        Raises ValueError if the folder has no tokenizer.json, or one without the special tokens of ChatML prompts.
        """
        self.prompt_format = prompt_format or folder_prompt_format(folder) or CHATML
        self.instructions = self.prompt_format.system_prompt
        self.context = context
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise ValueError(f"{file} is missing; save the model's tokenizer there with save_pretrained")
        self.tokens = ByteTokens(file)
        if self.tokens.end_id is None:
            raise ValueError(f"{file}: no end-of-turn token; name it as eos_token in tokenizer_config.json")
        for mark in ("<|im_start|>", chat_template.TURN_END) if self.prompt_format.template is None else ():
            if len(self.tokens.encode_marked(mark)[0]) != 1:
                raise ValueError(
                    f"{file}: {mark} is not a special token, but prompts are in ChatML; add the model's chat template "
                    "to its folder, as save_pretrained does, or use a model with ChatML, such as Qwen3"
                )

    def render(self, messages: Sequence[Message]) -> str:
        """Return the raw prompt, up to the first token of the model."""
        return chat_template.render(messages, self.tokens.names, self.prompt_format)

    def encode(self, text: str) -> Encoding:
        """Return the token ids of `text`, and the offset at which each ends. Markup is encoded as plain text."""
        return self.tokens.encode(text)

    def encode_marked(self, text: str) -> Encoding:
        """Encode a rendered prompt, or model text: names of special tokens become special tokens."""
        return self.tokens.encode_marked(text)

    def read(self, ids: Sequence[int], *, stop: Sequence[str]) -> Generation:
        """Return sampled ids as a generation with the same ids.

        Tokens after the end of the turn are dropped. A token that extends past a stop string is kept whole, since
        training needs the sampled ids; the environment cuts the text.
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
        finish: Finish = "end" if closed else "stop" if any(string in text for string in stop) else "length"
        return Generation(text=text, ids=tuple(kept), ends=tuple(ends), finish=finish)
