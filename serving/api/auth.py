"""Who may use the server, and how much at once: bearer keys, of which the server knows hashes alone.

A key has 256 random bits, so one round of SHA-256 is enough; slow hashes are for passwords. A file has a line for each:

    ana   3f0c...   # a name, and the key's hash, as `storm key ana` prints it

STORM_API_KEYS holds keys themselves, separated by commas, for containers that get secrets from their environment.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from storm_calm.serving.api.errors import ApiError

ENVIRONMENT = "STORM_API_KEYS"
"""The variable that may hold keys."""
SHORTEST = 16
"""Characters that a key in the environment has at least."""


@dataclass(slots=True, eq=False)
class Caller:
    """Somebody who may use the server, and what they do with it now."""

    name: str
    """For the log."""
    running: int = 0
    """Answers under way."""
    asked: deque[float] = field(default_factory=deque)
    """When requests of the last minute came."""


class Keys:
    """The keys that are let in."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        """hashes: SHA-256 in hexadecimal digits, by name; none lets everybody in, as one caller."""
        self._callers = [(bytes.fromhex(digest), Caller(name)) for name, digest in hashes.items()]
        self._anybody = Caller("anybody")

    @property
    def open(self) -> bool:
        """Whether everybody is let in."""
        return not self._callers

    def caller(self, authorization: str | None) -> Caller:
        """Whose key this header holds. Raises ApiError with 401 for a missing or wrong one."""
        if self.open:
            return self._anybody
        kind, _, key = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not key.strip():
            raise ApiError(401, "give your key as Authorization: Bearer KEY", code="invalid_api_key")
        digest = hashlib.sha256(key.strip().encode()).digest()
        found: Caller | None = None
        for known, caller in self._callers:  # All of them, so that time tells nothing.
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None:
            raise ApiError(401, "this key is not known here", code="invalid_api_key")
        return found


class Limits:
    """How many requests, and answers under way, one caller and all of them may have."""

    def __init__(self, *, running: int, key_running: int, key_per_minute: int) -> None:
        """running: answers under way of all callers. key_running, key_per_minute: of one."""
        self._most, self._key_most, self._key_rate = running, key_running, key_per_minute
        self.running = 0
        """Answers under way."""

    @contextmanager
    def counted(self, caller: Caller) -> Iterator[None]:
        """For the time of an answer. Raises ApiError with 429 where there are too many."""
        now = time.monotonic()
        while caller.asked and caller.asked[0] <= now - 60:
            caller.asked.popleft()
        if len(caller.asked) >= self._key_rate:
            wait = caller.asked[0] + 60 - now
            raise ApiError(
                429, f"more than {self._key_rate} requests a minute", code="rate_limit_exceeded", retry_after=wait
            )
        if caller.running >= self._key_most:
            raise ApiError(
                429, f"{caller.running} answers for this key are under way", code="rate_limit_exceeded", retry_after=1
            )
        if self.running >= self._most:
            raise ApiError(429, "the server is busy", code="rate_limit_exceeded", retry_after=1)
        caller.asked.append(now)
        caller.running += 1
        self.running += 1
        try:
            yield
        finally:
            caller.running -= 1
            self.running -= 1


def read_keys(file: Path | None, environment: str | None, given: Sequence[str] = ()) -> Keys:
    """The keys of a file, of the environment variable's text, and of the command line.

    Raises ValueError for what is no key.
    """
    hashes: dict[str, str] = {}
    if file is not None:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if len(words) != 2 or not re.fullmatch(r"[0-9a-f]{64}", words[1]):
                # What stands there may be a key: it is not repeated.
                raise ValueError(f"{file}:{number}: give a name and a hash, as `storm key NAME` prints them")
            if words[0] in hashes:
                raise ValueError(f"{file}:{number}: the name {words[0]!r} is there twice")
            hashes[words[0]] = words[1]
        if not hashes:
            raise ValueError(f"{file}: no key in it; add one with `storm key NAME >> {file}`, or leave --keys out")
    for place, keys in ((ENVIRONMENT, (environment or "").split(",")), ("--api-key", given)):
        for number, key in enumerate(keys, 1):
            if not key.strip() and place == ENVIRONMENT:
                continue
            if len(key.strip()) < SHORTEST:
                raise ValueError(
                    f"{place}: key {number} has less than {SHORTEST} characters; make one with `storm key`"
                )
            hashes[f"{place}-{number}"] = digest(key.strip())
    return Keys(hashes)


def new_key() -> str:
    """A key of 256 random bits."""
    return f"storm-{secrets.token_urlsafe(32)}"


def digest(key: str) -> str:
    """What the server knows of a key."""
    return hashlib.sha256(key.encode()).hexdigest()
