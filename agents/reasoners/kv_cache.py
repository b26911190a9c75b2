"""The KV cache of the nano engine: keys and values of the tokens computed so far.

    pool = KVCachePool(make_cache, max_cached=32)
    with pool.lease(ids) as cache:                  # holds the longest prefix of `ids` that an earlier request computed
        logits = cache.forward(ids[cache.length :])     # prefill
        logits = cache.forward([17])                    # decode

Keys and values of prompts stay. The next request takes over the longest common prefix, so going on, rewinding and
appending a hint, or asking the same question again computes only what was not yet part of a prompt. If going on would
overwrite what another episode may come back to, the prefix is copied, which is cheap. The least recently used cache is
given up first. See `agents.reasoners.engine` for why decoded tokens are prefilled anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

PREFILL_CHUNK = 256
"""Positions that are computed at once; more would need memory for attention scores with the square of it."""


class KVCache:
    """The keys and values of one sequence so far. One thread at a time may use it."""

    def __init__(self, session: Any, *, shape: tuple[int, int, int, int], layers: int, vocabulary: int) -> None:
        """session: an onnxruntime InferenceSession.
        shape: of the keys, and of the values, of one layer: (1, heads, context, size of a head).
        """
        from onnxruntime import OrtValue

        self.length = 0
        """Tokens whose keys and values are here."""
        self.prefilled = 0
        """How many of them, from the first, were computed as part of a prompt."""
        self.busy = False
        """Whether a request has it now."""
        self._session = session
        self._vocabulary = vocabulary
        context = shape[2]
        self._ids = np.zeros((1, context), dtype=np.int64)
        self._ones = np.ones((1, context), dtype=np.int64)
        self._wrap = OrtValue.ortvalue_from_numpy
        # Nearly every run computes one position. For these, ids and logits have fixed places.
        self._one = np.empty((1, 1), dtype=np.int64)
        self._one_logits = np.empty((1, 1, vocabulary), dtype=np.float32)
        self._one_bound = False
        self._binding = session.io_binding()
        self._layers: list[np.ndarray] = []
        for layer in range(layers):
            for kind in ("key", "value"):
                # Zeros take no memory before they are written. The same buffer goes in and out: nothing is copied.
                buffer = np.zeros(shape, dtype=np.float32)
                value = self._wrap(buffer)
                self._binding.bind_ortvalue_input(f"past_key_values.{layer}.{kind}", value)
                self._binding.bind_ortvalue_output(f"present.{layer}.{kind}", value)
                self._layers.append(buffer)

    def common_prefix(self, ids: np.ndarray) -> int:
        """Return how many of `ids`, from the first, were computed here as part of a prompt."""
        size = min(self.prefilled, len(ids))
        differ = np.flatnonzero(self._ids[0, :size] != ids[:size])
        return int(differ[0]) if len(differ) else size

    def copy_prefix(self, source: KVCache, length: int) -> None:
        """Copy the first `length` tokens of another sequence."""
        self._ids[:, :length] = source._ids[:, :length]
        for mine, other in zip(self._layers, source._layers, strict=True):
            mine[:, :, :length] = other[:, :, :length]

    def forward(self, ids: Sequence[int]) -> np.ndarray:
        """Append tokens: first the rest of the prompt (prefill), then one at a time (decode).

        Returns the logits of the token after them, shape (vocabulary,), which the next call overwrites.
        """
        end = self.length + len(ids)
        self._ids[0, self.length : end] = ids
        while end - self.length > PREFILL_CHUNK + 1:
            self._run(self.length + PREFILL_CHUNK)
        return self._run(end)

    def _run(self, end: int) -> np.ndarray:
        count = end - self.length
        if count == 1:
            self._one[0, 0] = self._ids[0, end - 1]
            ids, logits = self._one, self._one_logits
        else:
            ids, logits = self._ids[:, self.length : end], np.empty((1, count, self._vocabulary), dtype=np.float32)
        if count > 1 or not self._one_bound:
            self._binding.bind_cpu_input("input_ids", ids)
            self._binding.bind_ortvalue_output("logits", self._wrap(logits))
        self._one_bound = count == 1
        self._binding.bind_cpu_input("attention_mask", self._ones[:, :end])
        self._session.run_with_iobinding(self._binding)
        if count > 1 and self.prefilled == self.length:
            self.prefilled = end
        self.length = end
        return logits[0, -1]


class KVCachePool:
    """KV caches by prefix. Any number of threads may use one at once."""

    def __init__(self, make: Callable[[], KVCache], *, max_cached: int) -> None:
        """max_cached: caches that are kept for later requests."""
        self._make = make
        self._max_cached = max_cached
        self._lock = threading.Lock()
        self._caches: list[KVCache] = []

    @contextmanager
    def lease(self, ids: Sequence[int]) -> Iterator[KVCache]:
        """Lend a cache to one request that begins with `ids`; it holds their longest known prefix, not all of them."""
        cache = self._take(np.asarray(ids, dtype=np.int64))
        try:
            yield cache
        finally:
            with self._lock:
                cache.busy = False
                idle = [other for other in self._caches if not other.busy]
                for other in idle[: max(0, len(self._caches) - self._max_cached)]:
                    self._caches.remove(other)

    def clear(self) -> None:
        """Forget all keys and values."""
        with self._lock:
            self._caches.clear()

    def _take(self, ids: np.ndarray) -> KVCache:
        with self._lock:
            source, common = None, 0
            for cache in self._caches:
                shared = cache.common_prefix(ids)
                if shared > common or (shared == common > 0 and cache.prefilled == shared and not cache.busy):
                    source, common = cache, shared
            if source is not None and not source.busy and source.prefilled == common:
                taken = source
            else:
                idle = [cache for cache in self._caches if not cache.busy]
                taken = idle[0] if idle and len(self._caches) >= self._max_cached else self._make()
                if source is not None and source is not taken:
                    taken.copy_prefix(source, common)
            taken.length = taken.prefilled = max(0, min(common, len(ids) - 2))
            taken.busy = True
            if taken in self._caches:
                self._caches.remove(taken)
            self._caches.append(taken)  # The list is in the order of last use.
            return taken
