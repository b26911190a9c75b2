"""The settings of `storm serve`; the docstrings here are the texts of its help."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from storm_calm.sandbox import Isolation


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeConfig:
    """What the server is made of, and what a request may take."""

    reasoner: tuple[str, ...] = ("nano",)
    """Who writes: nano, a folder with an exported nano model, chat:URL, or a server's address; several addresses are
    replicas of the same model."""
    model: str | None = None
    """The model's name at that server, where it has several."""
    tokenizer: Path | None = None
    """The model's tokenizer.json: prompts and answers then go as token ids, where the server takes them."""
    name: str = "storm"
    """The model's name in this API."""
    host: str = "127.0.0.1"
    """The address to listen at."""
    port: int = 8000
    """The port to listen at; 0 for any that is free."""
    keys: Path | None = None
    """File of keys that are let in, made by `storm key`. Also read: STORM_API_KEYS. Without either, all are."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which the server may be called, * for any; by default this machine's own if it listens at a loopback
    address, else any."""
    origins: tuple[str, ...] = ()
    """Origins of web pages that may use the API from a browser; none by default."""
    sandbox: str = "local"
    """Where programs run: local, docker, e2b or ray."""
    minimum_isolation: Isolation = "landlock"
    """The weakest sandbox to accept: full, landlock or limits."""
    workers: int | None = None
    """Programs that run at once; as many as there are processors by default."""
    solver_seconds: float = 10.0
    """Seconds for each program."""
    max_executions: int = 4
    """Programs in an answer, at medium effort."""
    max_tokens: int | None = None
    """Tokens that one answer may have, thoughts and output included; the model's context by default."""
    request_seconds: float = 600.0
    """Seconds for an answer."""
    max_body_mb: float = 4.0
    """MB that a request may have."""
    max_running: int = 256
    """Answers under way at once; more are turned away with 429."""
    key_running: int = 64
    """Answers under way at once for one key."""
    key_per_minute: int = 600
    """Requests a minute for one key."""
    drain_seconds: float = 30.0
    """Seconds that answers under way get to finish after SIGTERM."""
    reasoning_field: str = "both"
    """Where thoughts, code and output go in a chat answer: reasoning, reasoning_content, or both."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names by which the server may be called, or "*"."""
        if self.allowed_hosts:
            return tuple(name.lower() for name in self.allowed_hosts)
        return ("localhost", "127.0.0.1", "::1", self.host) if _is_loopback(self.host) else ("*",)

    def __post_init__(self) -> None:
        if not self.reasoner:
            raise ValueError("reasoner is empty; give nano, a folder, or a server's address")
        if self.reasoning_field not in ("both", "reasoning", "reasoning_content"):
            raise ValueError(f"reasoning_field is {self.reasoning_field!r}; give both, reasoning or reasoning_content")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}; give 0 to 65535")
        for field in ("max_executions", "max_running", "key_running", "key_per_minute"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}; give 1 or more")
        for field in ("solver_seconds", "request_seconds", "max_body_mb"):
            if not getattr(self, field) > 0:
                raise ValueError(f"{field} is {getattr(self, field)}; give more than 0")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens is {self.max_tokens}; give 1 or more")
        if self.drain_seconds < 0:
            raise ValueError(f"drain_seconds is {self.drain_seconds}; give 0 or more")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
