"""API keys: who may use the server, by bearer keys of which it knows hashes alone.

A key has 256 random bits, so one round of SHA-256 is enough; slow hashes are for passwords. A file has a line for each:

    ana   3f0c...   # a name, and the key's hash, as `storm key ana` prints it

STORM_API_KEYS holds keys themselves, separated by commas, for containers that get secrets from their environment.
"""

from __future__ import annotations

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
"""The variable that may hold keys."""
SHORTEST = 16
"""Characters that a key in the environment has at least."""


@dataclass(slots=True, eq=False)
class Caller:
    """A client that may use the server, with its use of it for the rate limit."""

    name: str
    """For the log."""
    running: int = 0
    """Answers under way."""
    recent: deque[float] = field(default_factory=deque)
    """Times of the requests of the last minute."""


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
        """Return whose key this header holds. Raises ApiError with 401 for a missing or wrong one."""
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


def read_keys(file: Path | None, environment: str | None, given: Sequence[str] = ()) -> Keys:
    """Return the keys of a file, of the environment variable's text, and of the command line.

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
    """Return a new key of 256 random bits."""
    return f"storm-{secrets.token_urlsafe(32)}"


def digest(key: str) -> str:
    """Return the hash of a key, which is all that the server knows of it."""
    return hashlib.sha256(key.encode()).hexdigest()
