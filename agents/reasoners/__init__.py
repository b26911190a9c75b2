"""The reasoners: models that write, behind the one interface of `env.reasoner`.

    with closing(open_reasoner("nano")) as reasoner: ...
    open_reasoner("http://localhost:8000/v1", model="Qwen/Qwen3-4B-Thinking-2507")
    open_reasoner("chat:https://api.openai.com/v1", model="gpt-4.1")

`nano` runs the embedded model, `completions` speaks to any server with raw completions, and `chat` to those that have
chat completions only.
"""

from __future__ import annotations

from pathlib import Path

import storm_calm
from storm_calm.env.reasoner import Reasoner, ReasonerError

CHAT_PREFIX = "chat:"
"""What stands before the address of an endpoint that has chat completions only."""
_FOLDERS = {"nano": "storm", "nano-base": "base"}
BUILT_IN = tuple(_FOLDERS)
"""Models that come with the package: the trained one, and the one that it was trained from."""


def open_reasoner(
    spec: str, *, model: str | None = None, api_key: str | None = None, tokenizer: Path | None = None
) -> Reasoner:
    """The reasoner that `spec` names.

    spec: "nano" or "nano-base"; a folder with an exported nano model; a server's address, up to its `/v1`; or "chat:"
        and an address, for an endpoint that has chat completions only.
    model, api_key, tokenizer: for a server only, see `agents.reasoners.completions.Completions`. A chat has no
        tokenizer.

    Raises ValueError for a spec that is none of these, ReasonerError where what it names cannot be opened.
    """
    if spec.startswith(("http://", "https://")):
        from storm_calm.agents.reasoners.completions import Completions

        return Completions(spec, model=model, api_key=api_key, tokenizer=tokenizer)
    if spec.startswith(CHAT_PREFIX):
        from storm_calm.agents.reasoners.chat import Chat

        if tokenizer is not None:
            raise ValueError(f"reasoner {spec!r} gives no token ids, as no chat does; leave out the tokenizer")
        return Chat(spec.removeprefix(CHAT_PREFIX), model=model, api_key=api_key)
    if model is not None or api_key is not None or tokenizer is not None:
        raise ValueError(f"reasoner {spec!r} runs here; a model, a key or a tokenizer go with a server's address")
    from storm_calm.agents.reasoners.nano import Nano

    if spec in BUILT_IN:
        return Nano(built_in(spec), name=spec)
    if Path(spec).is_dir():
        return Nano(Path(spec))
    raise ValueError(
        f"reasoner {spec!r} is unknown; give {', '.join(map(repr, BUILT_IN))}, a folder with an exported nano model, "
        "or the address of a server, such as http://localhost:8000/v1 for raw completions, or "
        "chat:https://api.openai.com/v1 where there are chat completions only"
    )


def built_in(name: str) -> Path:
    """Return the folder of one of `BUILT_IN`. Raises ReasonerError if the model is not there."""
    folder = Path(storm_calm.__file__).parent / "models" / _FOLDERS[name]
    if not (folder / "model.onnx").is_file():
        raise ReasonerError(
            f"{name}: no model in {folder}; install the package again, or make the model with "
            "`python -m storm_calm.rl.nano`"
        )
    return folder


__all__ = ["BUILT_IN", "CHAT_PREFIX", "Reasoner", "ReasonerError", "built_in", "open_reasoner"]
