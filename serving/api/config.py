"""The settings of `storm serve`; the docstrings here are the texts of its help."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from storm_calm.agents.runs.options import Config, Option, OptionError, check_options
from storm_calm.agents.runs.sandbox_options import EpisodeOptions


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The model behind the API."""

    group: ClassVar[str] = "Model"

    reasoner: Annotated[tuple[str, ...], Option(metavar="nano|FOLDER|URL|chat:URL", repeat=True)] = ("nano",)
    """The model that solves: nano, a nano model's folder, a server's URL, or chat: and a URL; several URLs are
    replicas of the same model, repeat the option for them."""
    model: Annotated[str | None, Option(metavar="NAME")] = None
    """The model's name at that server, if it has several."""
    tokenizer: Annotated[Path | None, Option(metavar="FILE")] = None
    """The model's tokenizer.json: prompts and answers then go as token ids, if the server takes them."""
    name: Annotated[str, Option(metavar="NAME")] = "storm"
    """The model's name in this API."""


@dataclass(frozen=True, kw_only=True)
class ServeConfig(ModelOptions, EpisodeOptions, Config):
    """What the server is made of, and what a request may take."""

    group: ClassVar[str] = "Server"

    max_executions: Annotated[int, Option(metavar="N", least=1)] = 4
    """Programs in an answer, at medium effort."""
    max_tokens: Annotated[int | None, Option(metavar="N", least=1)] = None
    """Tokens of an answer, thoughts and output included; by default the model's context."""
    workers: Annotated[int | None, Option(metavar="N", least=1)] = None
    """Programs that run at once; by default one a processor."""
    host: Annotated[str, Option(metavar="ADDRESS")] = "127.0.0.1"
    """The address to listen at."""
    port: Annotated[int, Option(metavar="N", least=0, most=65535)] = 8000
    """The port to listen at; 0 for any that is free."""
    keys: Annotated[Path | None, Option(metavar="FILE")] = None
    """File of keys that are let in, made by `storm key`. Also read: STORM_API_KEYS. Without either, all are."""
    allowed_hosts: Annotated[tuple[str, ...], Option(metavar="NAME", name="--allowed-host", repeat=True)] = ()
    """A name by which the server may be called, * for any; repeatable. By default this machine's own names if it
    listens at a loopback address, else any."""
    origins: Annotated[tuple[str, ...], Option(metavar="URL", name="--origin", repeat=True)] = ()
    """A web page's origin that may use the API from a browser; repeatable. By default none."""
    request_seconds: Annotated[float, Option(metavar="S", above=0)] = 600.0
    """Seconds for an answer."""
    max_body_mb: Annotated[float, Option(metavar="MB", above=0)] = 4.0
    """MB that a request may have."""
    max_running: Annotated[int, Option(metavar="N", least=1)] = 256
    """Answers under way at once; more are rejected with 429."""
    key_running: Annotated[int, Option(metavar="N", least=1)] = 64
    """Answers under way at once for one key."""
    key_per_minute: Annotated[int, Option(metavar="N", least=1)] = 600
    """Requests a minute for one key."""
    drain_seconds: Annotated[float, Option(metavar="S", least=0)] = 30.0
    """Seconds to finish answers after SIGTERM or Ctrl-C."""
    reasoning_field: Literal["both", "reasoning", "reasoning_content"] = "both"
    """Where thoughts, code and output go in a chat answer."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names by which the server may be called, or "*"."""
        if self.allowed_hosts:
            return tuple(name.lower() for name in self.allowed_hosts)
        return ("localhost", "127.0.0.1", "::1", self.host) if _is_loopback(self.host) else ("*",)

    def __post_init__(self) -> None:
        if not self.reasoner:
            raise OptionError("reasoner", "is empty; give nano, a folder, or a server's URL")
        check_options(self)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
