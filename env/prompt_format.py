"""The prompt format of a model: text protocol, system prompt, thinking format and chat template.

    prompt_format = read_prompt_format(Path("models/nano/base"))

A model must meet the prompts that it was trained with. So training and export write `prompt_format.json` into the
model's folder, and every reasoner that finds the file uses it. `agents.reasoners.chat_template` renders prompts.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from storm_calm.env.atomic_write import write_json
from storm_calm.env.format_version import with_version, without_version
from storm_calm.env.serialize import from_json, to_json
from storm_calm.env.system_prompt import system_prompt

FILE_NAME = "prompt_format.json"
"""The file in a model's folder, and in the folder of a run with that model."""
MAX_TEMPLATE = 200_000
"""Most characters of a chat template. Those of public models have at most about 20,000."""


ProtocolName = Literal["auto", "inline", "tool_call"]
"""A text protocol (`env.protocol`), or "auto" for the model's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptFormat:
    """The format of a model's prompts."""

    protocol: Literal["inline", "tool_call"] = "inline"
    """The text protocol: fenced blocks, or tool calls as text."""
    instructions: str | None = None
    """The system prompt; "" for none, None for the default of protocol and thinking."""
    thinking: Literal["open", "none"] = "open"
    """"open": the prompt ends in an opened `<think>`; "none": it ends after the header of the model's turn."""
    template: str | None = None
    """The chat template in Jinja; None for ChatML."""
    bos_token: str = ""
    """The token before a text, for templates that write it."""
    eos_token: str = ""
    """The token that ends a turn, for templates that write it."""

    def __post_init__(self) -> None:
        if self.template is not None and len(self.template) > MAX_TEMPLATE:
            raise ValueError(f"template has {len(self.template)} characters; give at most {MAX_TEMPLATE}")

    @property
    def system_prompt(self) -> str:
        """The text of the system prompt, "" for none."""
        if self.instructions is not None:
            return self.instructions
        return system_prompt(self.protocol, thinking=self.thinking == "open")

    def resolved(self) -> "PromptFormat":
        """Return the format with the text of its system prompt, since the protocol's default may change."""
        return replace(self, instructions=self.system_prompt)


CHATML = PromptFormat()
"""ChatML with an opened `<think>` and the default system prompt of the inline protocol."""
NANO = PromptFormat(instructions="")
"""The format of nano models, which learn the protocol in training."""


def read_prompt_format(folder: Path) -> PromptFormat | None:
    """Return the format in a folder, or None if the file is missing. Raises ValueError if it is invalid."""
    file = folder / FILE_NAME
    return read_prompt_format_file(file) if file.is_file() else None


def read_prompt_format_file(file: Path) -> PromptFormat:
    """Return the format in a file. Raises ValueError if it is invalid, OSError if it cannot be read."""
    try:
        return parse_prompt_format(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def parse_prompt_format(text: str) -> PromptFormat:
    """Return the format in JSON text. Raises ValueError."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    return from_json(PromptFormat, without_version(data))


def prompt_format_text(prompt_format: PromptFormat) -> str:
    """Return the format as JSON text on one line."""
    return json.dumps(with_version(to_json(prompt_format.resolved())))


def write_prompt_format(folder: Path, prompt_format: PromptFormat) -> None:
    """Write the format into a folder, with the text of its system prompt."""
    write_json(folder / FILE_NAME, with_version(to_json(prompt_format.resolved())))
