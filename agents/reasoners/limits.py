"""The rate limits that the provider of an endpoint sets for a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storm_calm.agents.reasoners.rate_limit import RateLimit


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The rate limits of an endpoint and a key."""

    requests_per_minute: int | None = None
    """None for no limit."""
    tokens_per_minute: int | None = None
    """Of prompts and answers; None for no limit."""

    def open(self, url: str, key: str) -> RateLimit | None:
        """Return the limit that all processes on this machine share; None without limits."""
        if self.requests_per_minute is None and self.tokens_per_minute is None:
            return None
        from storm_calm.agents.reasoners.rate_limit import RateLimit

        return RateLimit.open(url, key, requests=self.requests_per_minute, tokens=self.tokens_per_minute)
