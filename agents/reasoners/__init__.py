"""The reasoners: models behind the interface `env.reasoner.Reasoner`.

    with closing(open_reasoner("nano")) as reasoner: ...
    open_reasoner("http://localhost:8000/v1", model="Qwen/Qwen3-4B-Thinking-2507")
    open_reasoner("chat:https://api.openai.com/v1", model="gpt-4.1")
    open_reasoner("http://gpu-1:8000/v1,http://gpu-2:8000/v1")

`nano` runs the embedded model, `completions` calls servers with raw completions, and `chat` calls endpoints that have
only chat completions. `capabilities` discovers which of the two a server can do, and `replicas` shares the requests
among several servers of a model. `replay` submits reference programs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import storm_calm
from storm_calm.agents.reasoners.specs import CHAT_PREFIX, REPLAY_PREFIX, is_server, split_urls
from storm_calm.env.prompt_format import PromptFormat, ProtocolName
from storm_calm.env.reasoner import Reasoner, ReasonerError

if TYPE_CHECKING:
    from storm_calm.agents.reasoners.limits import Limits

_FOLDERS = {"nano": "storm", "nano-base": "base"}
BUILT_IN = tuple(_FOLDERS)
"""Models that come with the package: the trained one, and the base model it was trained from."""


def open_reasoner(
    spec: str,
    *,
    model: str | None = None,
    api_key: str | None = None,
    tokenizer: str | Path | None = None,
    prompt_format: PromptFormat | None = None,
    protocol: ProtocolName = "auto",
    limits: Limits | None = None,
) -> Reasoner:
    """Open the reasoner that `spec` names.

    spec: "nano" or "nano-base"; the folder of an exported nano model; a server's URL up to `/v1`; "chat:" and a URL
        for chat completions with tool calls; or "replay:" and a folder with reference programs (`replay`). A URL
        without raw completions that continue a half-finished turn is used as with "chat:", with a notice on the log.
        Several URLs, separated by commas, are replicas of a model (`replicas`).
    model, api_key: for servers only.
    tokenizer, prompt_format: for servers with raw completions only, see `completions.Completions`.
    protocol: the text protocol of raw completions. Chats have tool calls with any.
    limits: rate limits of each server and key, for servers only.

    Raises ValueError for any other spec, and ReasonerError if the reasoner cannot be opened.
    """
    if is_server(spec):
        from storm_calm.agents.reasoners.servers import open_servers

        return open_servers(
            split_urls(spec),
            model=model,
            api_key=api_key,
            tokenizer=tokenizer,
            prompt_format=prompt_format,
            protocol=protocol,
            limits=limits,
        )
    if not model == api_key == tokenizer == prompt_format == limits is None:
        raise ValueError(
            f"reasoner {spec!r} runs here; a model, a key, a tokenizer, a prompt format or a rate limit needs the URL "
            "of a server"
        )
    if protocol == "tool_call":
        what = "replay has" if spec.startswith(REPLAY_PREFIX) else "nano models know"
        raise ValueError(f"reasoner {spec!r}: {what} only the protocol inline; leave out tool_call")
    if spec.startswith(REPLAY_PREFIX):
        from storm_calm.agents.reasoners.replay import Replay

        return Replay(Path(spec.removeprefix(REPLAY_PREFIX)))
    from storm_calm.agents.reasoners.nano import Nano

    if spec in BUILT_IN:
        return Nano(built_in(spec), name=spec)
    if Path(spec).is_dir():
        return Nano(Path(spec))
    raise ValueError(
        f"reasoner {spec!r} is unknown; give {', '.join(map(repr, BUILT_IN))}, a folder with an exported nano model, "
        "the URL of a server with raw completions, such as http://localhost:8000/v1, "
        "chat: and the URL of an endpoint with chat completions, such as chat:https://api.openai.com/v1, or "
        "replay: and a folder with reference programs"
    )


def built_in(name: str) -> Path:
    """Return the folder of one of `BUILT_IN`. Raises ReasonerError if the model is missing."""
    folder = Path(storm_calm.__file__).parent / "models" / _FOLDERS[name]
    if not (folder / "model.onnx").is_file():
        raise ReasonerError(
            f"{name}: no model in {folder}; install the package again, or make the model with "
            "`python -m storm_calm.rl.nano`"
        )
    return folder


__all__ = [
    "BUILT_IN",
    "CHAT_PREFIX",
    "REPLAY_PREFIX",
    "ProtocolName",
    "Reasoner",
    "ReasonerError",
    "built_in",
    "is_server",
    "open_reasoner",
    "split_urls",
]
