"""API keys: bearer tokens, of which the server stores only hashes.

A key has 256 random bits, so one round of SHA-256 is enough; slow hashes are for passwords. A keys file has one line
per key:

    ana   3f0c...   # a name and the hash of the key, as `storm key ana` prints them

STORM_API_KEYS holds plain keys, separated by commas, for containers that get secrets from their environment.
"""

import hashlib
import hmac
import re
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from storm_calm.serving.api.api_errors import ApiError

ENVIRONMENT = "STORM_API_KEYS"
"""The environment variable with keys."""
SHORTEST = 16
"""Fewest characters of a plain key."""


@dataclass(slots=True, eq=False)
class Caller:
    """A client with a valid key, and its usage for the rate limit."""

    name: str
    digest: str = ""
    """SHA-256 of the key as hexadecimal digits; "" without keys."""
    running: int = 0
    """Answers in progress."""
    recent: deque[float] = field(default_factory=deque)
    """Times of the requests of the last minute."""

    @property
    def id(self) -> str:
        """What servers with the same keys share; a new key under an old name is another caller."""
        return self.digest or self.name


class Keys:
    """The accepted API keys."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        """hashes: SHA-256 as hexadecimal digits, by name. Without any, all clients are accepted as one caller."""
        self._callers = [(bytes.fromhex(digest), Caller(name, digest)) for name, digest in hashes.items()]
        self._anybody = Caller("anybody")

    @property
    def open(self) -> bool:
        """Whether all clients are accepted."""
        return not self._callers

    def caller(self, authorization: str | None) -> Caller:
        """Return the caller by the Authorization header. Raises ApiError with 401 for a missing or wrong key."""
        if self.open:
            return self._anybody
        kind, _, key = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not key.strip():
            raise ApiError(401, "give your key as Authorization: Bearer KEY", code="invalid_api_key")
        digest = hashlib.sha256(key.strip().encode()).digest()
        found: Caller | None = None
        for known, caller in self._callers:  # Compare with all: the time must not depend on the match.
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None:
            raise ApiError(401, "unknown API key", code="invalid_api_key")
        return found


def read_keys(file: Path | None, environment: str | None, given: Sequence[str] = ()) -> Keys:
    """Return the keys of a file, of the environment variable and of the command line.

    Raises ValueError for an invalid line or a short key.
    """
    hashes: dict[str, str] = {}
    if file is not None:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if len(words) != 2 or not re.fullmatch(r"[0-9a-f]{64}", words[1]):
                # The line may contain a plain key, so it is not repeated.
                raise ValueError(f"{file}:{number}: give a name and a hash, as `storm key NAME` prints them")
            if words[0] in hashes:
                raise ValueError(f"{file}:{number}: duplicate name {words[0]!r}; rename it")
            hashes[words[0]] = words[1]
        if not hashes:
            raise ValueError(f"{file}: no keys; add one with `storm key NAME >> {file}`, or leave out --keys")
    for place, keys in ((ENVIRONMENT, (environment or "").split(",")), ("--api-key", given)):
        for number, key in enumerate(keys, 1):
            if not key.strip() and place == ENVIRONMENT:
                continue
            if len(key.strip()) < SHORTEST:
                raise ValueError(f"{place}: key {number} has fewer than {SHORTEST} characters; use `storm key`")
            hashes[f"{place}-{number}"] = digest(key.strip())
    return Keys(hashes)


def new_key() -> str:
    return f"storm-{secrets.token_urlsafe(32)}"


def digest(key: str) -> str:
    """Return the hash by which the server knows a key."""
    return hashlib.sha256(key.encode()).hexdigest()
