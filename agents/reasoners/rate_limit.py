"""Rate limits of hosted APIs, in requests and tokens per minute, which all processes on this machine share.

    limit = RateLimit.open(url, api_key, requests=500, tokens=200_000)
    for seconds in limit.waits(tokens=1200): sleep(seconds)     # then send the request
    limit.add(tokens=300)                                       # of its answer: the next request waits for them

The limit is that of an endpoint and a key: its state is in one SQLite file of this user, named after a hash of both.
The files have no key. `pyrate_limiter` decides by GCRA, the generic cell rate algorithm: requests are spread evenly,
with small bursts, and no minute has more than the limit.
"""

import hashlib
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from pyrate_limiter import GCRA, Decision, Duration, Rate, RateItem, StateAlgorithm, StateBucket, StateStore, WallClock

BURST_SHARE = 0.05
"""The share of a minute's limit that may be used at once. The rest is spread evenly over the minute."""
LOCK_SECONDS = 60.0
"""The longest wait for another process that updates the file, which takes about a millisecond."""


class RateLimit:
    """The rate limit of an endpoint and a key. Thread-safe; processes share it."""

    def __init__(self, file: Path, *, requests: int | None = None, tokens: int | None = None) -> None:
        """Share the limit in `file`. requests, tokens: the most in a minute; None for no limit."""
        self._lock = threading.Lock()
        self._owed = 0
        self._requests = _bucket(file, "requests", requests) if requests else None
        self._tokens = _bucket(file, "tokens", tokens) if tokens else None

    @classmethod
    def open(cls, url: str, key: str, *, requests: int | None, tokens: int | None) -> "RateLimit | None":
        """Return the limit of an endpoint and a key; None without limits. Raises OSError if its file is unusable."""
        if not requests and not tokens:
            return None
        name = hashlib.sha256(f"{url}\n{key}".encode()).hexdigest()[:32]
        return cls(shared_folder() / f"{name}.sqlite", requests=requests, tokens=tokens)

    def waits(self, *, tokens: int) -> Iterator[float]:
        """Take a request of `tokens` from the limit. Yield the seconds to sleep until it may be sent.

        tokens: of the prompt, estimated. Tokens of earlier answers are taken with them.
        """
        if self._requests is not None:
            yield from self._take(self._requests, 1)
        if self._tokens is not None:
            with self._lock:
                tokens += self._owed
                self._owed = 0
            # A request with more tokens than may be used at once takes them in parts.
            most = self._tokens.rates[0].burst
            while tokens > 0:
                yield from self._take(self._tokens, min(tokens, most))
                tokens -= most

    def add(self, *, tokens: int) -> None:
        """Count the tokens of an answer, which are known only at its end."""
        with self._lock:
            self._owed += tokens

    def _take(self, bucket: StateBucket, weight: int) -> Iterator[float]:
        while True:
            with self._lock:
                item = RateItem("", WallClock().now(), weight)
                if bucket.put(item):
                    return
                milliseconds = bucket.waiting(item)
            yield max(1, int(milliseconds)) / 1000  # type: ignore[arg-type]


def shared_folder() -> Path:
    """Return the folder of this user's limits, beside other temporary files. Raises OSError if it is another user's."""
    folder = Path(tempfile.gettempdir()) / f"storm-calm-{user()}" / "rate_limits"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.parent.is_symlink() or folder.parent.stat().st_uid != user():
        raise PermissionError(13, "belongs to another user; set TMPDIR to a folder of your own", str(folder.parent))
    return folder


def user() -> int:
    """Return the number of this user."""
    return os.getuid()


def _bucket(file: Path, name: str, per_minute: int) -> StateBucket:
    burst = max(1, int(per_minute * BURST_SHARE))
    # A burst and the minute after it together have `per_minute`.
    rate = Rate(max(1, per_minute - burst), Duration.MINUTE, burst=burst)
    return StateBucket([rate], algorithm=GCRA(), store=_SQLiteStore(file, name))


class _SQLiteStore(StateStore):
    """The state of a limit in a row of an SQLite file."""

    default_clock = WallClock()

    def __init__(self, file: Path, name: str) -> None:
        self._file, self._name = file, name
        with closing(self._connect()) as db:
            db.execute("CREATE TABLE IF NOT EXISTS limits (name TEXT PRIMARY KEY, state INTEGER) WITHOUT ROWID")

    def check(self, algorithm: StateAlgorithm, rates: list[Rate], now: int, weight: int) -> Decision:
        """Apply the algorithm to the state, while no other process can change it."""
        with closing(self._connect()) as db:
            db.execute("BEGIN IMMEDIATE")
            state, decision = algorithm.step(rates, self._state(db, algorithm, rates, now), now, weight)
            if decision.allowed:
                db.execute("INSERT OR REPLACE INTO limits VALUES (?, ?)", (self._name, int(state[0])))
            db.execute("COMMIT")
            return decision

    def read(self, algorithm: StateAlgorithm, rates: list[Rate]) -> tuple[float, ...]:
        with closing(self._connect()) as db:
            return self._state(db, algorithm, rates, WallClock().now())

    def reset(self) -> None:
        with closing(self._connect()) as db:
            db.execute("DELETE FROM limits WHERE name = ?", (self._name,))

    def _state(self, db: Any, algorithm: StateAlgorithm, rates: list[Rate], now: int) -> tuple[float, ...]:
        row = db.execute("SELECT state FROM limits WHERE name = ?", (self._name,)).fetchone()
        if row is None:
            return tuple(algorithm.initial(rates))
        # Set back clocks, and a lower limit of another process, must not block this one for long.
        return (min(row[0], (now + rates[0].interval) * 1000),)

    def _connect(self) -> sqlite3.Connection:
        # The state is worth a minute: it need not survive a crash of the machine.
        db = sqlite3.connect(self._file, timeout=LOCK_SECONDS, isolation_level=None)
        db.execute("PRAGMA synchronous=OFF")
        return db
