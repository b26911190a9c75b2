"""Read a model's folder: its tokenizer and its prompt format. `served_model` looks there for the model of a server."""

import re
from pathlib import Path
from typing import Any

from storm_calm.agents.reasoners.chat_template import template_thinking
from storm_calm.agents.reasoners.tokenizer import read_config
from storm_calm.env.prompt_format import FILE_NAME, PromptFormat, read_prompt_format, read_prompt_format_file

DOWNLOADED = ("tokenizer.json", "tokenizer_config.json", "chat_template.*", "generation_config.json", FILE_NAME)
"""Files that are downloaded of a model on the hub; the weights are not needed."""
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def folder_prompt_format(folder: Path) -> PromptFormat | None:
    """Return the prompt format of a model's folder: its own file, or its chat template with the default instructions.

    None without either. Raises ValueError for an invalid file.
    """
    own = read_prompt_format(folder)
    if own is not None:
        return own
    config = read_config(folder / "tokenizer_config.json")
    template = chat_template_in(folder)
    if template is None:
        return None
    try:
        return from_template(template, _token(config, "bos_token"), _token(config, "eos_token"))
    except ValueError as error:
        raise ValueError(f"{folder}: {error}; write a {FILE_NAME} into this folder") from error


def given_prompt_format(spec: str) -> PromptFormat:
    """Return the format in a `prompt_format.json`, or of a model's folder.

    Raises ValueError if there is none, OSError if it cannot be read.
    """
    path = Path(spec).expanduser()
    if not path.is_dir():
        return read_prompt_format_file(path)
    own = folder_prompt_format(path)
    if own is None:
        raise ValueError(f"{path}: no {FILE_NAME} and no chat template in it; give a {FILE_NAME}")
    return own


def tokenizer_file(spec: str | Path) -> Path:
    """Return the `tokenizer.json` of a model, downloaded if needed.

    spec: that file, the model's folder, or its name on the model hub. Raises ValueError if there is none.
    """
    path = Path(spec).expanduser()
    if path.is_dir():
        if not (path / "tokenizer.json").is_file():
            raise ValueError(f"{path}: no tokenizer.json in it; save the model's tokenizer there with save_pretrained")
        return path / "tokenizer.json"
    if path.is_file():
        return path
    if not _HUB_NAME.fullmatch(str(spec)):
        raise ValueError(
            f"tokenizer {str(spec)!r}: no such file; give a tokenizer.json, a model's folder, or a name on the model "
            "hub, such as Qwen/Qwen3-4B-Thinking-2507"
        )
    return tokenizer_file(_downloaded(str(spec)))


def from_template(template: str, bos_token: str, eos_token: str) -> PromptFormat:
    """Return the format with this chat template and the default instructions. Raises ValueError if it fails."""
    thinking = template_thinking(template, bos_token=bos_token, eos_token=eos_token)
    return PromptFormat(template=template, thinking=thinking, bos_token=bos_token, eos_token=eos_token)


def chat_template_in(folder: Path) -> str | None:
    """Return the chat template in a model's folder, in the order in which transformers looks for it; None without."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    found = read_config(folder / "chat_template.json").get("chat_template") or read_config(
        folder / "tokenizer_config.json"
    ).get("chat_template")
    if isinstance(found, list):
        named = {one.get("name"): one.get("template") for one in found if isinstance(one, dict)}
        found = named.get("default")
    return found if isinstance(found, str) else None


def _token(config: dict[str, Any], name: str) -> str:
    """Return the text of a special token in a tokenizer_config.json, "" without one."""
    value = config.get(name)
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) else ""


def _downloaded(name: str) -> Path:
    advice = "give the model's folder, or its tokenizer.json"
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ValueError(
            f"tokenizer {name!r}: no such file here, and the model hub needs the package huggingface_hub "
            f"({error}): pip install huggingface_hub, or {advice}"
        ) from error
    try:
        return Path(snapshot_download(name, allow_patterns=list(DOWNLOADED)))
    except Exception as error:  # A network failure, a typing error, a license: each has its own type.
        raise ValueError(
            f"tokenizer {name!r}: no such file here, and it cannot be downloaded from the model hub: {error}; {advice}"
        ) from error
