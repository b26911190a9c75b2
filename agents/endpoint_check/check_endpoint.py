"""Open an endpoint, run all checks, and find the command to use with it."""

import shlex
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, perf_counter

from storm_calm.agents.endpoint_check.probes import Check, EndpointModel, results, tiny_problem
from storm_calm.agents.reasoners import CHAT_PREFIX
from storm_calm.agents.reasoners.capabilities import Capabilities
from storm_calm.agents.reasoners.chat import Chat
from storm_calm.agents.reasoners.completions import Completions
from storm_calm.agents.runs.sandbox_options import SandboxOptions
from storm_calm.env import ReasonerError
from storm_calm.sandbox import SandboxUnavailableError

MAX_SECONDS = 35.0
"""After this time no further check begins."""
PROBLEM_SECONDS = 25.0
"""The tiny problem begins only before this time."""
REQUEST_TIMEOUT = 20.0
"""Seconds without data before a request fails."""
DEFAULT_WORKERS = 4
"""`storm curate` sends this many requests at once by default."""
OTHER_SERVERS = "see docs/models.md for the start commands of the servers"


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointReport:
    """The results for one endpoint."""

    url: str
    capabilities: Capabilities | None
    """None if the endpoint could not be opened."""
    checks: tuple[Check, ...]
    command: str
    """The command to curate with it; "" if it cannot be used."""
    seconds: float


def check_endpoint(
    spec: str,
    *,
    model: str | None = None,
    tokenizer: str | Path | None = None,
    on_check: Callable[[str], None] = lambda name: None,
) -> EndpointReport:
    """Return the report for a URL, or for chat: and a URL.

    model, tokenizer: as for `open_reasoner`. on_check: called with the name of each check that ended.
    Raises ValueError for another spec or an unreadable tokenizer.
    """
    url = spec.removeprefix(CHAT_PREFIX)
    if not url.startswith(("http://", "https://")):
        raise ValueError(
            f"--reasoner: {spec!r} is not the URL of a server. Examples: http://localhost:8000/v1, chat:URL"
        )
    if "," in url:
        raise ValueError(f"--reasoner: {spec!r} has several servers; check one at a time")
    started = perf_counter()
    try:
        reasoner = _open(spec, model, tokenizer)
    except ReasonerError as error:
        reach = Check(name="reach", state="problem", figure=str(error), advice=OTHER_SERVERS)
        return EndpointReport(url=url, capabilities=None, checks=(reach,), command="", seconds=perf_counter() - started)
    with closing(reasoner):
        capabilities = reasoner.capabilities
        kind = reasoner.kind
        name = f"{capabilities.server} {capabilities.version}".rstrip()
        checks = [
            Check(name="reach", state="ok", figure=f"{name}, {kind}, {perf_counter() - started:.1f} s"),
            Check(name="model", state="ok", figure=f"{capabilities.model}{_price(capabilities)}"),
        ]
        ends = monotonic() + MAX_SECONDS
        for check in results(reasoner, over=lambda: monotonic() > ends):
            checks.append(check)
            on_check(check.name)
        checks.append(_tiny_problem(reasoner, started))
    usable = all(check.state != "problem" for check in checks)
    return EndpointReport(
        url=url,
        capabilities=capabilities,
        checks=tuple(checks),
        command=_command(reasoner, url, model, tokenizer) if usable else "",
        seconds=perf_counter() - started,
    )


def _open(spec: str, model: str | None, tokenizer: str | Path | None) -> EndpointModel:
    url = spec.removeprefix(CHAT_PREFIX)
    if url == spec:
        reasoner = Completions(url, model=model, tokenizer=tokenizer, timeout=REQUEST_TIMEOUT, max_retries=1)
        if reasoner.capabilities.raw_completions:
            return reasoner
        reasoner.close()
    if tokenizer is not None:
        raise ValueError(f"{url}: chat endpoints return no token ids; leave out --tokenizer")
    return Chat(url, model=model, timeout=REQUEST_TIMEOUT, max_retries=1)


def _tiny_problem(reasoner: EndpointModel, started: float) -> Check:
    if perf_counter() - started > PROBLEM_SECONDS:
        return Check(name="tiny problem", state="not measured", figure="no time left; try it with storm solve")
    try:
        with SandboxOptions().open_sandbox() as sandbox:
            return replace(tiny_problem(reasoner, sandbox), name="tiny problem")
    except ReasonerError as error:
        return Check(name="tiny problem", state="problem", figure=str(error), advice="see the server's log")
    except SandboxUnavailableError as error:
        return Check(name="tiny problem", state="warning", figure=str(error), advice="see storm sandbox check")


def _price(capabilities: Capabilities) -> str:
    if capabilities.price is None:
        return ""
    prompt, answer = capabilities.price
    return f", {prompt:g} USD per million prompt tokens, {answer:g} per million answer tokens"


def _command(reasoner: EndpointModel, url: str, model: str | None, tokenizer: str | Path | None) -> str:
    """Return the command that curates problems with the endpoint."""
    prefix = CHAT_PREFIX if isinstance(reasoner, Chat) else ""
    words = ["storm", "curate", "--reasoner", f"{prefix}{url}"]
    if model:
        words += ["--model", model]
    if tokenizer is not None:
        words += ["--tokenizer", str(tokenizer)]
    parallel = reasoner.capabilities.parallel
    if parallel and parallel < DEFAULT_WORKERS:
        words += ["--workers", str(parallel)]
    return shlex.join([*words, "--problems", "problems.jsonl"])
