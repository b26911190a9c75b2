"""Choose the replica of a model for each request, so that its KV cache has the prompt's prefix already.

    router = Router(replicas)
    replica = router.choose(prompt)
    router.answered(replica, prompt, generation)            # or router.failed(replica)

All turns of a trajectory go to the replica that generated its last one. Its next prompt begins with the last prompt and
text, maybe cut by an intervener, so prompts need no name: the router remembers hashes of their blocks, as the prefix
caches of model servers do. A new trajectory goes to the replica with the fewest requests for its limit; among equals to
the one with the longest prefix, such as the same instructions and question.

A failed replica gets no requests until its backoff is over. Then one request tries it.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

from storm_calm.agents.reasoners.async_interface import Prompt
from storm_calm.agents.reasoners.load_limit import LoadLimit
from storm_calm.env.reasoner import Generation

BLOCK_CHARS = 32
"""Characters of a block of a text."""
BLOCK_IDS = 8
"""Tokens of a block of token ids."""
MAX_BLOCKS = 1 << 18
"""The most blocks that are remembered: about 2 million tokens, 40 MB."""
FIRST_BACKOFF_SECONDS = 1.0
"""Seconds until a replica that failed is tried again; doubled with each failure."""
MAX_BACKOFF_SECONDS = 60.0

log = logging.getLogger("storm")


@dataclass(slots=True, eq=False)
class Replica:
    """One server of a model."""

    url: str
    """The URL up to `/v1`, without credentials."""
    up: bool = True
    """Whether the last request or health check succeeded."""
    busy: int = 0
    """Requests in flight, or waiting for this server."""
    load: LoadLimit = field(default_factory=LoadLimit)
    failures: int = 0
    """Failures in a row."""
    retry_at: float = 0.0
    """The time on the monotonic clock from which it is tried again."""

    @property
    def usable(self) -> bool:
        """Whether it may get a request: it is up, or it is time to try it and no request does so yet."""
        return self.up or (monotonic() >= self.retry_at and not self.busy)


R = TypeVar("R", bound=Replica)
_SHARED, _END, _OWN = "shared", "end", "own"
"""Kinds of blocks: of a first prompt, its last one, and of one trajectory only."""


class Router(Generic[R]):
    """The choice among replicas. Thread-safe."""

    def __init__(self, replicas: Sequence[R]) -> None:
        self.replicas = tuple(replicas)
        self._lock = threading.Lock()
        self._blocks: OrderedDict[int, tuple[int, str]] = OrderedDict()
        """The replica and the kind of each block, by the hash of the prompt up to its end."""

    def choose(self, prompt: Prompt, *, without: Collection[R] = ()) -> R:
        """Return the replica for a prompt, which now has one request more in flight.

        without: replicas that failed this request. If all replicas failed, the one that is tried again first.
        """
        with self._lock:
            candidates = [one for one in self.replicas if one.usable and one not in without]
            if not candidates:
                # The caller pauses between attempts, and reports the error of the last one.
                candidates = [min(self.replicas, key=lambda one: (one in without, one.retry_at))]
            chosen = self._with_trajectory(prompt, candidates) or self._for_new(prompt, candidates)
            chosen.busy += 1
            return chosen

    def release(self, replica: R) -> None:
        """Report the end of a request."""
        with self._lock:
            replica.busy -= 1

    def answered(self, replica: R, prompt: Prompt, generation: Generation) -> None:
        """Report an answer: the replica now has its text in its cache."""
        if isinstance(prompt, str):
            whole: Prompt | None = prompt + generation.text
        else:
            whole = None if generation.ids is None else prompt + generation.ids
        with self._lock:
            self._recover(replica)
            number = self.replicas.index(replica)
            kept = [*_hashes(prompt)]
            continues = self._owner(kept) is not None
            for place, block in enumerate(kept if whole is None else _hashes(whole)):
                own = continues or place >= len(kept)
                kind = _OWN if own else _END if place == len(kept) - 1 else _SHARED
                if own and block in self._blocks:
                    kind = self._blocks[block][1]  # The first prompt of this trajectory.
                self._blocks[block] = (number, kind)
                self._blocks.move_to_end(block)
            while len(self._blocks) > MAX_BLOCKS:
                self._blocks.popitem(last=False)

    def failed(self, replica: R) -> None:
        """Take a replica out. It is tried again after a backoff."""
        with self._lock:
            if replica.up:
                log.warning("%s does not answer; its trajectories go to other replicas", replica.url)
            replica.up = False
            backoff = min(FIRST_BACKOFF_SECONDS * 2.0**replica.failures, MAX_BACKOFF_SECONDS)
            replica.failures += 1
            replica.retry_at = monotonic() + backoff

    def recovered(self, replica: R) -> None:
        """Use a replica again."""
        with self._lock:
            self._recover(replica)

    def _recover(self, replica: R) -> None:
        if not replica.up:
            log.warning("%s answers again", replica.url)
        replica.up, replica.failures = True, 0

    def _with_trajectory(self, prompt: Prompt, candidates: Sequence[R]) -> R | None:
        """Return the replica that has this trajectory; None for a new one, or if that replica cannot be used."""
        owner = self._owner([*_hashes(prompt)])
        return self.replicas[owner] if owner is not None and self.replicas[owner] in candidates else None

    def _for_new(self, prompt: Prompt, candidates: Sequence[R]) -> R:
        counts: dict[int, int] = {}
        for block in _hashes(prompt):
            if (found := self._blocks.get(block)) is None:
                break
            counts[found[0]] = counts.get(found[0], 0) + 1

        def order(replica: R) -> tuple[float, ...]:
            load, known = replica.load, counts.get(self.replicas.index(replica), 0)
            # A replica that is not up is tried as soon as its backoff is over.
            return (replica.up, load.pause_seconds, replica.busy >= load.most, replica.busy, -known)

        return min(candidates, key=order)

    def _owner(self, blocks: Sequence[int]) -> int | None:
        """Return the replica with the trajectory that `blocks` continue, or None.

        The longest known prefix then reaches past a first prompt, or to its end if this prompt is longer.
        """
        last: tuple[int, str] | None = None
        known = 0
        for block in blocks:
            if (found := self._blocks.get(block)) is None:
                break
            last, known = found, known + 1
        if last is None or last[1] == _SHARED or (last[1] == _END and known == len(blocks)):
            return None
        return last[0]


def _hashes(prompt: Prompt) -> Iterator[int]:
    """Yield the hash of the prompt up to the end of each whole block."""
    size = BLOCK_CHARS if isinstance(prompt, str) else BLOCK_IDS
    known = hash(type(prompt))
    for end in range(size, len(prompt) + 1, size):
        known = hash((known, prompt[end - size : end]))
        yield known
