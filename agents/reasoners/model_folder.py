"""Find the tokenizer and the prompt format of a served model.

    found = served_model("qwen", url="http://localhost:8000/v1", root="/models/qwen", tokenizer=None)
    found.prompt_format, found.tokens

Both are in the model's folder, which is given (`--tokenizer`), or reported by a server on this machine.
"""

import ipaddress
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from storm_calm.agents.reasoners.chat_template import template_thinking
from storm_calm.agents.reasoners.tokenizer import ByteTokens, read_config
from storm_calm.env.prompt_format import CHATML, FILE_NAME, PromptFormat, read_prompt_format, read_prompt_format_file

DOWNLOADED = ("tokenizer.json", "tokenizer_config.json", "chat_template.*", "generation_config.json", FILE_NAME)
"""Files that are downloaded of a model on the hub; the weights are not needed."""
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")

log = logging.getLogger("storm")


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedModel:
    """What a client needs to know of a served model."""

    tokens: ByteTokens | None
    """The tokenizer; None if it is unknown."""
    prompt_format: PromptFormat


def served_model(
    model: str,
    *,
    url: str,
    root: str | None,
    tokenizer: str | Path | None = None,
    prompt_format: PromptFormat | None = None,
    template: str | None = None,
    bos_token: str = "",
    eos_token: str = "",
    thinking: bool | None = None,
) -> ServedModel:
    """Return the tokenizer and the prompt format of a served model.

    model: its name, for messages. root: its folder as the server reports it. tokenizer: as in `tokenizer_file`.
    For the others see `prompt_format_for`. Raises ValueError for a tokenizer or a prompt format that cannot be used.
    """
    folders: list[Path] = []
    tokens: ByteTokens | None = None
    if tokenizer is not None:
        file = tokenizer_file(tokenizer)
        tokens = ByteTokens(file)
        folders.append(file.parent)
    served = served_folder(root, url)
    if served is not None:
        folders.append(served)
        tokens = _own_tokens(served) if tokens is None else tokens
    chosen = prompt_format_for(
        model,
        given=prompt_format,
        folders=folders,
        template=template,
        bos_token=bos_token,
        eos_token=eos_token,
        thinking=thinking,
    )
    return ServedModel(tokens=tokens, prompt_format=chosen)


def prompt_format_for(
    model: str,
    *,
    given: PromptFormat | None = None,
    folders: list[Path] | None = None,
    template: str | None = None,
    bos_token: str = "",
    eos_token: str = "",
    thinking: bool | None = None,
) -> PromptFormat:
    """Return the prompt format of a served model: the given one, its folder's, the server's, or else ChatML.

    model: its name, for messages. given: the user's choice. folders: where its files may be.
    template, bos_token, eos_token: as the server reports them. thinking: whether the model thinks; None if unknown.
    Raises ValueError for an invalid file in a folder.
    """
    if given is not None:
        return given
    for folder in folders or ():
        own = folder_prompt_format(folder)
        if own is not None:
            return own
    if template is not None:
        try:
            return _from_template(template, bos_token, eos_token)
        except ValueError as error:
            log.warning("%s: the server's chat template cannot be used: %s", model, error)
    log.warning(
        "%s: its chat template is unknown, so its prompts are in ChatML%s. Give --tokenizer with the model's folder or "
        "name, or --prompt-format",
        model,
        "" if thinking is False else " and open <think>",
    )
    return PromptFormat(thinking="none") if thinking is False else CHATML


def folder_prompt_format(folder: Path) -> PromptFormat | None:
    """Return the prompt format of a model's folder: its own file, or its chat template with the default instructions.

    None without either. Raises ValueError for an invalid file.
    """
    own = read_prompt_format(folder)
    if own is not None:
        return own
    config = read_config(folder / "tokenizer_config.json")
    template = _chat_template(folder, config)
    if template is None:
        return None
    try:
        return _from_template(template, _token(config, "bos_token"), _token(config, "eos_token"))
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


def served_folder(root: str | None, url: str) -> Path | None:
    """Return the folder from which a server on this machine serves a model, or None.

    root: `root` in the server's list of models, which is a name on the hub for other models.
    """
    if root is None or not _is_loopback(urlsplit(url).hostname or ""):
        return None
    folder = Path(root)
    return folder if folder.is_absolute() and (folder / "config.json").is_file() else None


def _own_tokens(folder: Path) -> ByteTokens | None:
    file = folder / "tokenizer.json"
    try:
        return ByteTokens(file) if file.is_file() else None
    except (ValueError, OSError) as error:
        log.warning("there are no token ids, since the tokenizer cannot be used: %s", error)
        return None


def _from_template(template: str, bos_token: str, eos_token: str) -> PromptFormat:
    thinking = template_thinking(template, bos_token=bos_token, eos_token=eos_token)
    return PromptFormat(template=template, thinking=thinking, bos_token=bos_token, eos_token=eos_token)


def _chat_template(folder: Path, config: dict[str, Any]) -> str | None:
    """Return the chat template of a model's folder, in the order in which transformers looks for it."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    found = read_config(folder / "chat_template.json").get("chat_template", config.get("chat_template"))
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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
