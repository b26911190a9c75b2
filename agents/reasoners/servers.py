"""Open the reasoner over one or several model servers."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from storm_calm.agents.reasoners.chat import Chat
from storm_calm.agents.reasoners.completions import Completions
from storm_calm.agents.reasoners.endpoint_reasoner import EndpointReasoner
from storm_calm.agents.reasoners.limits import Limits
from storm_calm.agents.reasoners.replicas import open_replicas
from storm_calm.agents.reasoners.specs import CHAT_PREFIX, URL_PREFIXES
from storm_calm.env.prompt_format import PromptFormat, ProtocolName
from storm_calm.env.reasoner import Reasoner

log = logging.getLogger("storm")


def open_servers(
    specs: Sequence[str],
    *,
    model: str | None,
    api_key: str | None,
    tokenizer: str | Path | None,
    prompt_format: PromptFormat | None,
    protocol: ProtocolName,
    limits: Limits | None,
) -> Reasoner:
    """Open the reasoner over the server of each spec, see `agents.reasoners.open_reasoner`."""
    for spec in specs:
        _check(spec, tokenizer=tokenizer, prompt_format=prompt_format)
    open_one = partial(
        _open_one,
        model=model,
        api_key=api_key,
        tokenizer=tokenizer,
        prompt_format=prompt_format,
        protocol=protocol,
        limits=limits,
    )
    # With replicas, another one is the first retry.
    opened: Any = open_one(specs[0]) if len(specs) == 1 else open_replicas(specs, partial(open_one, max_retries=0))
    return cast(Reasoner, opened)


def chat_notice(url: str) -> None:
    """Log that a URL is used for chat, since its server cannot continue a half-finished turn."""
    log.warning("%s has no raw completions that continue a turn; using chat completions with tool calls", url)


def _check(spec: str, *, tokenizer: str | Path | None, prompt_format: PromptFormat | None) -> None:
    """Raise ValueError for a spec that is not one of a server, and for settings that chats cannot have."""
    if not spec.startswith((*URL_PREFIXES, CHAT_PREFIX)):
        raise ValueError(f"reasoner {spec!r}: only URLs of servers can be combined with commas")
    if not spec.startswith(CHAT_PREFIX):
        return
    if tokenizer is not None:
        raise ValueError(f"reasoner {spec!r}: chat endpoints return no token ids; leave out the tokenizer")
    if prompt_format is not None:
        raise ValueError(f"reasoner {spec!r}: chat endpoints render prompts themselves; leave out the prompt format")


def _open_one(
    spec: str,
    *,
    model: str | None,
    api_key: str | None,
    tokenizer: str | Path | None,
    prompt_format: PromptFormat | None,
    protocol: ProtocolName,
    limits: Limits | None,
    **options: Any,
) -> EndpointReasoner:
    if not spec.startswith(CHAT_PREFIX):
        reasoner = Completions(
            spec,
            model=model,
            api_key=api_key,
            tokenizer=tokenizer,
            prompt_format=prompt_format,
            protocol=protocol,
            limits=limits,
            **options,
        )
        if reasoner.capabilities.raw_completions:
            return reasoner
        reasoner.close()
        chat_notice(spec)
        spec = f"{CHAT_PREFIX}{spec}"
        _check(spec, tokenizer=tokenizer, prompt_format=prompt_format)
    return Chat(spec.removeprefix(CHAT_PREFIX), model=model, api_key=api_key, limits=limits, **options)
