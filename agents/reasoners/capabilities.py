"""Discover what a model server is and can do, from a few cheap requests.

    capabilities = discover(Endpoint(url, kind="raw completions", api_key=None, timeout=10.0, max_retries=0))
    capabilities.server, capabilities.context          # "llama.cpp", 4096

The list of models names most servers. The others are recognized by a page that only they have. What a server says
about itself is untrusted (`agents.reasoners.server_answers`); `agents.endpoint_check` tries it out.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from storm_calm.agents.reasoners.chat_template import template_thinking
from storm_calm.agents.reasoners.endpoint import Endpoint, Served
from storm_calm.agents.reasoners.model_folder import chat_template_in
from storm_calm.agents.reasoners.server_answers import ServerAnswers, number, objects, text, texts, value

Server = Literal["vllm", "sglang", "llama.cpp", "ollama", "lmstudio", "hosted", "unknown"]

OWNERS: dict[str, Server] = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llamacpp": "llama.cpp",
    "library": "ollama",
    "organization_owner": "lmstudio",
}
"""Servers by `owned_by` in their lists of models."""
HOSTED = (
    "api.openai.com",
    "openrouter.ai",
    "generativelanguage.googleapis.com",
    "api.deepseek.com",
    "api.groq.com",
    "api.mistral.ai",
    "api.anthropic.com",
    "api.x.ai",
)
"""Hosts of APIs for chat only."""
OLLAMA_CONTEXT = 4096
"""Ollama's default context on machines with less than 24 GB of GPU memory."""
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Trap:
    """A property of a server that makes runs fail or lowers their quality without an error."""

    problem: str
    fix: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """A server and one of its models."""

    model: str
    """The server's name for the model."""
    server: Server
    version: str = ""
    """The server's version; "" if unknown."""
    context: int | None = None
    """The most tokens of prompt and answer of one request together; None if unknown."""
    trained_context: int | None = None
    """The most tokens that the model was made for, if the server reports it."""
    parallel: int | None = None
    """Requests that the server works on at the same time, if it reports it."""
    raw_completions: bool = True
    """Whether it has raw completions that continue a half-finished turn."""
    chat: bool = True
    """Whether it has chat completions."""
    tool_calls: bool | None = None
    """Whether the model's tool calls are parsed; None if only a request can show it."""
    token_ids: bool = False
    """Whether it sends the token ids that were sampled."""
    tokenize: bool = False
    """Whether it encodes text on request."""
    template: str | None = None
    """The chat template as Jinja source; None if unknown or not Jinja."""
    bos_token: str = ""
    """The special token that templates know by this name, if the server reports it."""
    eos_token: str = ""
    thinking: bool | None = None
    """Whether the model writes thoughts before its answer; None if unknown."""
    stop_reported: bool = False
    """Whether it reports which stop string it reached."""
    folder: Path | None = None
    """The model's folder on this machine, if the server runs here and names it."""
    price: tuple[float, float] | None = None
    """USD per million tokens of prompt and of answer, if the server lists it."""
    traps: tuple[Trap, ...] = ()


def discover(endpoint: Endpoint, model: str | None = None) -> Capabilities:
    """Return what `endpoint` and its model can do. Waits while the server loads.

    model: as for `Endpoint.choose`. Raises ReasonerError if the endpoint does not answer or does not serve the model.
    """
    served = endpoint.choose(model)
    host = urlsplit(endpoint.url).hostname or ""
    with closing(ServerAnswers(str(endpoint.client.base_url), endpoint.api_key)) as answers:
        server = _server(served, host, answers)
        start = Capabilities(model=served.name, server=server, context=served.context)
        found = _DESCRIBE[server](start, served.listed, answers)
    if host not in LOCAL_HOSTS or (found.folder is not None and not found.folder.is_dir()):
        # A name of a folder on another machine may by chance exist here, too.
        found = replace(found, folder=None)
    if found.template is None and found.folder is not None:
        found = replace(found, template=_template_in(found.folder))
    if found.thinking is None and found.template is not None:
        found = replace(found, thinking=_thinks(found))
    return found


def _server(served: Served, host: str, answers: ServerAnswers) -> Server:
    """Return the kind of server. Only servers that their list of models does not name get further requests."""
    if served.owner in OWNERS:
        return OWNERS[served.owner]
    if any(host == known or host.endswith(f".{known}") for known in HOSTED) or "pricing" in served.listed:
        return "hosted"
    if any(number(entry, "max_context_length") for entry in objects(answers.get("/api/v0/models"), "data")):
        return "lmstudio"
    if number(answers.get("/props"), "default_generation_settings", "n_ctx") is not None:
        return "llama.cpp"
    if text(answers.get("/get_model_info"), "model_path"):
        return "sglang"
    if value(answers.get("/api/ps"), "models") is not None:
        return "ollama"
    return "unknown"


def _vllm(start: Capabilities, listed: Mapping[str, Any], answers: ServerAnswers) -> Capabilities:
    version = text(answers.get("/version"), "version")
    encoded = answers.post("/tokenize", {"model": start.model, "prompt": "a", "add_special_tokens": False})
    traps = [
        Trap(
            problem="generation_config.json of the model's folder sets top_k and repetition_penalty unseen",
            fix="start vLLM with --generation-config vllm",
        )
    ]
    if not version or version.startswith("0.32."):
        traps.insert(
            0,
            Trap(
                problem="version 0.32 on CPUs crashes on a request with a seed whose prompt is prefilled in chunks",
                # A large budget alone does not help: prompts that arrive together share it, and the last one is split.
                fix="start vLLM with --no-enable-chunked-prefill "
                f"--max-num-batched-tokens {start.context or 16384}, at least the context",
            ),
        )
    return replace(
        start,
        version=version,
        token_ids=True,
        stop_reported=True,
        tokenize=value(encoded, "tokens") is not None,
        folder=_folder(text(listed, "root")),
        traps=tuple(traps),
    )


def _sglang(start: Capabilities, listed: Mapping[str, Any], answers: ServerAnswers) -> Capabilities:
    model = answers.get("/get_model_info") or answers.get("/model_info")
    settings = answers.get("/server_info") or answers.get("/get_server_info")
    context, pool = start.context or number(settings, "context_length"), number(settings, "max_total_num_tokens")
    traps = [
        Trap(
            problem="/v1/completions sends no token ids, so trajectories cannot be trained on by token",
            fix="curate with vLLM if you want to train; solve and eval work",
        )
    ]
    if context and pool and pool < context:
        traps.insert(
            0,
            Trap(
                problem=f"the KV cache has room for {pool:,} tokens in all, less than one context of {context:,}",
                fix="start SGLang with a larger --mem-fraction-static or a smaller --context-length",
            ),
        )
    return replace(
        start,
        version=text(settings, "version"),
        context=context,
        stop_reported=True,
        parallel=number(settings, "max_running_requests"),
        tool_calls=bool(text(settings, "tool_call_parser")) if isinstance(settings, Mapping) else None,
        folder=_folder(text(model, "tokenizer_path") or text(model, "model_path") or text(listed, "root")),
        traps=tuple(traps),
    )


def _llama_cpp(start: Capabilities, listed: Mapping[str, Any], answers: ServerAnswers) -> Capabilities:
    props = answers.get("/props")
    context = number(props, "default_generation_settings", "n_ctx") or start.context
    slots = number(props, "total_slots")
    template = text(props, "chat_template") or None
    calls = value(props, "chat_template_caps", "supports_tool_calls")
    encoded = answers.post("/tokenize", {"content": "a"})
    shared = f"{slots} slots share the context given with -c: " if slots and slots > 1 else ""
    size = f"{context:,} tokens" if context else "a part of it"
    traps = [
        Trap(
            problem=f"{shared}a request has {size}, and its answer ends there without an error",
            fix=f"start llama-server with -c {16384 * (slots or 1)}, 16384 for each slot (-np)",
        ),
        Trap(
            problem="/v1/completions sends no token ids, so trajectories cannot be trained on by token",
            fix="curate with vLLM if you want to train; solve and eval work",
        ),
    ]
    return replace(
        start,
        version=text(props, "build_info"),
        context=context,
        trained_context=number(listed, "meta", "n_ctx_train"),
        parallel=slots,
        tool_calls=calls if isinstance(calls, bool) else None,
        tokenize=value(encoded, "tokens") is not None,
        template=template,
        bos_token=text(props, "bos_token"),
        eos_token=text(props, "eos_token"),
        traps=tuple(traps),
    )


def _ollama(start: Capabilities, listed: Mapping[str, Any], answers: ServerAnswers) -> Capabilities:
    version = text(answers.get("/api/version"), "version")
    shown = answers.post("/api/show", {"model": start.model})
    info = value(shown, "model_info")
    trained = number(info, f"{text(info, 'general.architecture')}.context_length")
    running = {text(one, "name"): number(one, "context_length") for one in objects(answers.get("/api/ps"), "models")}
    context = running.get(start.model) or running.get(f"{start.model}:latest") or _num_ctx(text(shown, "parameters"))
    can = texts(shown, "capabilities")
    guessed = "" if context else " (its default; the model is not loaded)"
    context = context or OLLAMA_CONTEXT
    return replace(
        start,
        version=version,
        context=context,
        trained_context=trained,
        # It puts the prompt of /v1/completions into the model's template.
        raw_completions=False,
        tool_calls="tools" in can if can else None,
        thinking="thinking" in can if can else None,
        traps=(
            Trap(
                problem=f"prompts longer than {context:,} tokens{guessed} lose their beginning without an error, "
                "and requests cannot change that",
                fix="start the server with OLLAMA_CONTEXT_LENGTH=16384, or set PARAMETER num_ctx in a Modelfile",
            ),
            Trap(
                problem="/v1/completions applies the model's template, so a half-finished turn cannot be continued",
                fix="hints are user messages, see docs/chat.md; llama.cpp serves the same file with raw completions",
            ),
        ),
    )


def _num_ctx(parameters: str) -> int | None:
    for line in parameters[:10000].splitlines():
        match line.split():
            case ["num_ctx", digits] if digits.isascii() and digits.isdigit() and len(digits) < 10:
                return int(digits) or None
    return None


def _lmstudio(start: Capabilities, listed: Mapping[str, Any], answers: ServerAnswers) -> Capabilities:
    models = objects(answers.get("/api/v0/models"), "data")
    entry = next((one for one in models if text(one, "id") == start.model), {})
    loaded, trained = number(entry, "loaded_context_length"), number(entry, "max_context_length")
    can = texts(entry, "capabilities")
    length = f"{loaded:,} tokens" if loaded else "its default context"
    return replace(
        start,
        context=loaded,
        trained_context=trained,
        tool_calls="tool_use" in can if can else None,
        traps=(
            Trap(
                problem=f"the model is loaded with {length}"
                + (f" of {trained:,}" if trained else "")
                + ", and a longer conversation is cut without an error",
                fix=f"load it with `lms load {start.model} --context-length 16384`",
            ),
            Trap(
                problem="no token ids, so trajectories cannot be trained on by token",
                fix="curate with vLLM if you want to train; solve and eval work",
            ),
        ),
    )


def _hosted(start: Capabilities, listed: Mapping[str, Any], answers: ServerAnswers) -> Capabilities:
    can = texts(listed, "supported_parameters")
    price = _price(listed)
    traps = [
        Trap(
            problem="no token ids and no raw completions: trajectories cannot be trained on by token, "
            "and hints are user messages",
            fix="export with --format messages; see docs/chat.md",
        )
    ]
    if can:  # OpenRouter's list.
        traps.insert(
            0,
            Trap(
                problem="requests of one run may go to different providers, with other weights and other contexts",
                fix="restrict the providers in your OpenRouter settings before you measure a model",
            ),
        )
    return replace(
        start,
        raw_completions=False,
        tool_calls="tools" in can if can else None,
        thinking=bool(can & {"reasoning", "include_reasoning"}) if can else None,
        price=price,
        traps=tuple(traps),
    )


def _price(listed: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return OpenRouter's prices, which are texts in USD per token."""
    prices: list[float] = []
    for name in ("prompt", "completion"):
        try:
            price = float(text(listed, "pricing", name)) * 1e6
        except ValueError:
            return None
        if not 0 <= price < 1e6:
            return None
        prices.append(price)
    return prices[0], prices[1]


def _unknown(start: Capabilities, listed: Mapping[str, Any], answers: ServerAnswers) -> Capabilities:
    # A path that takes POST only answers GET with 405 on most servers, and an unknown path with 404.
    completions, _ = answers.request("GET", "/completions", api=True)
    chat, _ = answers.request("GET", "/chat/completions", api=True)
    return replace(start, raw_completions=not (completions == 404 and chat != 404), chat=chat != 404)


_DESCRIBE: dict[Server, Callable[[Capabilities, Mapping[str, Any], ServerAnswers], Capabilities]] = {
    "vllm": _vllm,
    "sglang": _sglang,
    "llama.cpp": _llama_cpp,
    "ollama": _ollama,
    "lmstudio": _lmstudio,
    "hosted": _hosted,
    "unknown": _unknown,
}


def _folder(name: str) -> Path | None:
    try:
        return Path(name) if name.startswith("/") and (Path(name) / "config.json").is_file() else None
    except (OSError, ValueError):
        return None


def _template_in(folder: Path) -> str | None:
    """Return the chat template in a model's folder; None if there is none that can be read."""
    try:
        return chat_template_in(folder)
    except (OSError, ValueError):
        return None


def _thinks(found: Capabilities) -> bool | None:
    """Return whether the chat template opens a thought; None if it fails."""
    assert found.template is not None
    try:
        fmt = template_thinking(found.template, bos_token=found.bos_token, eos_token=found.eos_token)
    except ValueError:
        return None
    return fmt == "open"
