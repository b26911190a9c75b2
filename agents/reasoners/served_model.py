"""Find the tokenizer and the prompt format of a served model.

    found = served_model(discover(endpoint))
    found.prompt_format, found.tokens

Both are in the model's folder, which is given (`--tokenizer`), or reported by a server on this machine.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from storm_calm.agents.reasoners.capabilities import Capabilities
from storm_calm.agents.reasoners.model_folder import folder_prompt_format, from_template, tokenizer_file
from storm_calm.agents.reasoners.tokenizer import ByteTokens
from storm_calm.env.prompt_format import CHATML, PromptFormat, ProtocolName

log = logging.getLogger("storm")


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedModel:
    """What a client needs to know of a served model."""

    tokens: ByteTokens | None
    """The tokenizer; None if it is unknown."""
    prompt_format: PromptFormat


def served_model(
    capabilities: Capabilities,
    *,
    tokenizer: str | Path | None = None,
    prompt_format: PromptFormat | None = None,
    protocol: ProtocolName = "auto",
) -> ServedModel:
    """Return the tokenizer and the prompt format of a served model.

    capabilities: the model as its server describes it. tokenizer: as in `tokenizer_file`.
    prompt_format: the user's choice. protocol: replaces that of the prompt format, unless "auto".
    Raises ValueError for a tokenizer or a prompt format that cannot be used.
    """
    folders: list[Path] = []
    tokens: ByteTokens | None = None
    if tokenizer is not None:
        file = tokenizer_file(tokenizer)
        tokens = ByteTokens(file)
        folders.append(file.parent)
    if (served := capabilities.folder) is not None:
        folders.append(served)
        tokens = _own_tokens(served) if tokens is None else tokens
    if prompt_format is None and not capabilities.raw_completions:
        prompt_format = CHATML  # Never rendered: the model is used as a chat.
    chosen = prompt_format_for(capabilities, given=prompt_format, folders=folders)
    return ServedModel(tokens=tokens, prompt_format=_with_protocol(chosen, protocol))


def prompt_format_for(
    capabilities: Capabilities, *, given: PromptFormat | None = None, folders: Sequence[Path] = ()
) -> PromptFormat:
    """Return the prompt format of a served model: the given one, its folder's, the server's, or else ChatML.

    given: the user's choice. folders: where its files may be. Raises ValueError for an invalid file in a folder.
    """
    if given is not None:
        return given
    for folder in folders:
        own = folder_prompt_format(folder)
        if own is not None:
            return own
    model, thinks = capabilities.model, capabilities.thinking
    if capabilities.template is not None:
        try:
            return from_template(capabilities.template, capabilities.bos_token, capabilities.eos_token)
        except ValueError as error:
            log.warning("%s: the server's chat template cannot be used: %s", model, error)
    log.warning(
        "%s: its chat template is unknown, so its prompts are in ChatML%s. Give --tokenizer with the model's folder or "
        "name, or --prompt-format",
        model,
        "" if thinks is False else " and open <think>",
    )
    return PromptFormat(thinking="none") if thinks is False else CHATML


def _own_tokens(folder: Path) -> ByteTokens | None:
    file = folder / "tokenizer.json"
    try:
        return ByteTokens(file) if file.is_file() else None
    except (ValueError, OSError) as error:
        log.warning("there are no token ids, since the tokenizer cannot be used: %s", error)
        return None


def _with_protocol(fmt: PromptFormat, protocol: ProtocolName) -> PromptFormat:
    if protocol == "auto" or protocol == fmt.protocol:
        return fmt
    # Instructions for another protocol would teach the wrong notation.
    return replace(fmt, protocol=protocol, instructions="" if fmt.instructions == "" else None)
