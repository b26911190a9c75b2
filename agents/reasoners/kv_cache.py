"""The KV cache of the nano engine: keys and values of the tokens computed so far.

The next request reuses the longest common prefix with an earlier prompt. So continuing, rewinding, appending a hint or
repeating a question computes only the new part. If it would overwrite keys and values that another request may still
need, the prefix is copied, which is cheap. The least recently used cache is evicted first. `agents.reasoners.engine`
explains why decoded tokens are prefilled again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

PREFILL_CHUNK = 256
"""Positions computed at once. The memory for attention scores grows with its square."""


class KVCache:
    """The keys and values of one sequence. Not thread-safe."""

    def __init__(self, session: Any, *, shape: tuple[int, int, int, int], layers: int, vocabulary: int) -> None:
        """session: an onnxruntime InferenceSession. shape: of a layer's keys: (1, heads, context, head size)."""
        from onnxruntime import OrtValue

        self.length = 0
        """Tokens in the cache."""
        self.prefilled = 0
        """How many of these tokens, from the first, were part of a prompt."""
        self.busy = False
        self._session = session
        self._vocabulary = vocabulary
        context = shape[2]
        self._ids = np.zeros((1, context), dtype=np.int64)
        self._ones = np.ones((1, context), dtype=np.int64)
        self._wrap = OrtValue.ortvalue_from_numpy
        # Nearly every run computes one position. For these, ids and logits have fixed buffers.
        self._one = np.empty((1, 1), dtype=np.int64)
        self._one_logits = np.empty((1, 1, vocabulary), dtype=np.float32)
        self._one_bound = False
        self._binding = session.io_binding()
        self._layers: list[np.ndarray] = []
        for layer in range(layers):
            for kind in ("key", "value"):
                # Pages of zeros take no memory until written. Input and output share the buffer: nothing is copied.
                buffer = np.zeros(shape, dtype=np.float32)
                value = self._wrap(buffer)
                self._binding.bind_ortvalue_input(f"past_key_values.{layer}.{kind}", value)
                self._binding.bind_ortvalue_output(f"present.{layer}.{kind}", value)
                self._layers.append(buffer)

    def common_prefix(self, ids: np.ndarray) -> int:
        """Return how many of `ids`, from the first, are prefilled in this cache."""
        size = min(self.prefilled, len(ids))
        differ = np.flatnonzero(self._ids[0, :size] != ids[:size])
        return int(differ[0]) if len(differ) else size

    def copy_prefix(self, source: KVCache, length: int) -> None:
        """Copy the first `length` tokens of another sequence."""
        self._ids[:, :length] = source._ids[:, :length]
        for mine, other in zip(self._layers, source._layers, strict=True):
            mine[:, :, :length] = other[:, :, :length]

    def forward(self, ids: Sequence[int]) -> np.ndarray:
        """Append tokens. Return the logits of the next one, shape (vocabulary,), which the next call overwrites."""
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
    """KV caches by prefix. Thread-safe."""

    def __init__(self, make: Callable[[], KVCache], *, max_cached: int) -> None:
        self._make = make
        self._max_cached = max_cached
        self._lock = threading.Lock()
        self._caches: list[KVCache] = []

    @contextmanager
    def lease(self, ids: Sequence[int]) -> Iterator[KVCache]:
        """Lend a cache that has the longest known prefix of `ids`, but never all of them."""
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
            self._caches.append(taken)  # The list is in order of last use.
            return taken
