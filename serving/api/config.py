"""The settings of `storm serve`; the field docstrings are its help texts."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from storm_calm.agents.runs.guard_options import GuardOptions
from storm_calm.agents.runs.options import Config, Option, OptionError, check_options
from storm_calm.agents.runs.sandbox_options import EpisodeOptions


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The model behind the API."""

    group: ClassVar[str] = "Model"

    reasoner: Annotated[tuple[str, ...], Option(metavar="nano|FOLDER|URL,...|chat:URL", repeat=True)] = ("nano",)
    """The model that solves: nano, a nano model folder, the URL of a server, or chat: and a URL. URLs of several
    servers of the same model are separated by commas; the option can be repeated, too."""
    model: Annotated[str | None, Option(metavar="NAME")] = None
    """Name of the model at that server, if it has several."""
    tokenizer: Annotated[str | None, Option(metavar="FOLDER|FILE|NAME")] = None
    """The model's folder, its tokenizer.json, or its name on the model hub, to exchange token ids with a server that
    supports them."""
    prompt_format: Annotated[str | None, Option(metavar="FILE|FOLDER")] = None
    """A prompt_format.json, or a model folder, with the prompts of a server's model. Default: the model's own."""
    rpm: Annotated[int | None, Option(metavar="N", least=1)] = None
    """Most requests per minute to each of these servers with one API key, together with all other processes on this
    machine that have the option. Default: unlimited."""
    tpm: Annotated[int | None, Option(metavar="N", least=1)] = None
    """Most tokens per minute, of prompts and answers, likewise. Default: unlimited."""
    name: Annotated[str, Option(metavar="NAME")] = "storm"
    """Name of the model in this API."""


@dataclass(frozen=True, kw_only=True)
class ServeConfig(ModelOptions, GuardOptions, EpisodeOptions, Config):
    """The server, and the limits of a request."""

    group: ClassVar[str] = "Server"

    max_executions: Annotated[int, Option(metavar="N", least=1)] = 4
    """Most programs per answer at medium effort."""
    max_tokens: Annotated[int | None, Option(metavar="N", least=1)] = None
    """Most tokens per answer, including thoughts and program output. Default: the context of the model."""
    workers: Annotated[int | None, Option(metavar="N", least=1)] = None
    """Programs that run at once. Default: one per processor."""
    host: Annotated[str, Option(metavar="ADDRESS")] = "127.0.0.1"
    """Address to listen at."""
    port: Annotated[int, Option(metavar="N", least=0, most=65535)] = 8000
    """Port to listen at; 0 for a free one."""
    keys: Annotated[Path | None, Option(metavar="FILE")] = None
    """File of API keys, from `storm key`. STORM_API_KEYS is read, too. Without keys, any client is accepted."""
    allowed_hosts: Annotated[tuple[str, ...], Option(metavar="NAME", name="--allowed-host", repeat=True)] = ()
    """Accepted Host header, or * for any. Repeatable. Default: names of this machine if it listens at a loopback
    address, else any."""
    origins: Annotated[tuple[str, ...], Option(metavar="URL", name="--origin", repeat=True)] = ()
    """Origin of a web page that may use the API from a browser (CORS). Repeatable. Default: none."""
    request_seconds: Annotated[float, Option(metavar="S", above=0)] = 600.0
    """Timeout of an answer in seconds."""
    max_body_mb: Annotated[float, Option(metavar="MB", above=0)] = 4.0
    """Largest request body in MB."""
    max_running: Annotated[int, Option(metavar="N", least=1)] = 256
    """Most answers in progress in this server; further requests are rejected with 429."""
    key_running: Annotated[int, Option(metavar="N", least=1)] = 64
    """Most answers in progress per key."""
    key_per_minute: Annotated[int, Option(metavar="N", least=1)] = 600
    """Most requests per minute and key."""
    unready_seconds: Annotated[float, Option(metavar="S", least=0)] = 0.0
    """Seconds after SIGTERM or Ctrl-C in which /ready fails and requests are still accepted, so that a load balancer
    can take the server out first."""
    drain_seconds: Annotated[float, Option(metavar="S", least=0)] = 30.0
    """Seconds to finish answers in progress after that."""
    reasoning_field: Literal["both", "reasoning", "reasoning_content"] = "both"
    """Field of a chat message for thoughts, code and output."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The accepted Host headers, or "*"."""
        if self.allowed_hosts:
            return tuple(name.lower() for name in self.allowed_hosts)
        return ("localhost", "127.0.0.1", "::1", self.host) if _is_loopback(self.host) else ("*",)

    def __post_init__(self) -> None:
        if not self.reasoner:
            raise OptionError("reasoner", "is empty; give nano, a folder, or the URL of a server")
        check_options(self)
        self.check_guard()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
