"""The settings of `storm mcp`; the field docstrings are its help texts."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, ClassVar

from storm_calm.agents.runs.guard_options import GuardOptions
from storm_calm.agents.runs.options import Config, Option, OptionError, check_options
from storm_calm.agents.runs.sandbox_options import EpisodeOptions
from storm_calm.serving.api.config import ModelOptions, ServeConfig

CALL_SECONDS = 25.0
"""Seconds after which a call returns, whatever runs: clients give up after 60 or fewer."""


@dataclass(frozen=True, kw_only=True)
class McpConfig(ModelOptions, GuardOptions, EpisodeOptions, Config):
    """The MCP server, and the limits of its clients."""

    group: ClassVar[str] = "Server"

    max_executions: Annotated[int, Option(metavar="N", least=1)] = 4
    """Most programs of the agent per question."""
    workers: Annotated[int | None, Option(metavar="N", least=1)] = None
    """Programs that run at once. Default: one per processor."""
    roots: Annotated[tuple[str, ...], Option(metavar="FOLDER", name="--root", repeat=True)] = ()
    """Folder whose files programs may read by path. Repeatable. Default: none."""
    submit_seconds: Annotated[float, Option(metavar="S", above=0)] = 600.0
    """Longest time limit of a submitted program."""
    request_seconds: Annotated[float, Option(metavar="S", above=0)] = 600.0
    """Timeout of the agent's answer in seconds."""
    http: bool = False
    """Serve over streamable HTTP instead of standard input and output."""
    host: Annotated[str, Option(metavar="ADDRESS")] = "127.0.0.1"
    """With --http: address to listen at."""
    port: Annotated[int, Option(metavar="N", least=0, most=65535)] = 8765
    """With --http: port to listen at; 0 for a free one."""
    keys: Annotated[Path | None, Option(metavar="FILE")] = None
    """With --http: file of API keys, from `storm key`. STORM_API_KEYS is read, too. Without keys, any client is
    accepted."""
    allowed_hosts: Annotated[tuple[str, ...], Option(metavar="NAME", name="--allowed-host", repeat=True)] = ()
    """With --http: accepted Host header and origin, or * for any. Repeatable. Default: names of this machine if it
    listens at a loopback address, else any."""
    max_clients: Annotated[int, Option(metavar="N", least=1)] = 256
    """With --http: most clients at a time; further ones are rejected."""
    key_running: Annotated[int, Option(metavar="N", least=1)] = 64
    """With --http: most calls in progress per key."""
    key_per_minute: Annotated[int, Option(metavar="N", least=1)] = 3000
    """With --http: most messages per minute and key."""
    lost_seconds: Annotated[float, Option(metavar="S", above=0)] = 300.0
    """With --http: seconds without a call of a client after which its jobs are cancelled."""
    idle_seconds: Annotated[float, Option(metavar="S", above=0)] = 3600.0
    """With --http: seconds without a call of a client after which its runs and sessions are deleted."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The accepted Host headers, or "*"."""
        return self.agent_config().hosts

    @property
    def default_seconds(self) -> float:
        """The time limit of a program whose call names none."""
        return min(self.solver_seconds, CALL_SECONDS)

    def agent_config(self) -> ServeConfig:
        """Return the settings of the agent, as for `storm serve`."""
        shared = {field.name for field in fields(ServeConfig)} & {field.name for field in fields(self)}
        return ServeConfig(**{name: getattr(self, name) for name in shared})

    def __post_init__(self) -> None:
        if not self.reasoner:
            raise OptionError("reasoner", "is empty; give nano, a folder, or the URL of a server")
        check_options(self)
        self.check_guard()
