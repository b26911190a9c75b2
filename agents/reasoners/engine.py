"""The engine under the nano reasoner: onnxruntime, with a store of past keys and values.

It opens a folder as `rl.nano.export` (or onnxruntime-genai's own model builder) makes it, and gives logits:

    engine = Engine(Path("models/nano/base"))
    with engine.lease(ids) as past:
        logits = past.feed(ids[past.length :])      # of the token after the last
        logits = past.feed([17])                    # and of the one after that

**Many episodes at once.** Each call runs one sequence on one thread, and onnxruntime lets go of Python's lock while it
computes, so as many threads as there are cores compute at once over one copy of the weights. True batches are not made:
the attention operator takes a batch only one token a row at a time, which rounds otherwise than what follows.

**The same bits, always.** The logits at a position have the same bits whether the tokens before it were computed at
once, in pieces, or one after another, in this request or in an earlier one. That holds because every run computes at
least two positions: a single one goes through other kernels (matrix times vector), which add in another order. So each
step computes the last token's position again together with the new one, which costs less than the single one does. It
also wants one thread for each run, since several would split sums differently.

**Nothing computed twice.** Keys and values stay after a request. The next one takes over the longest common prefix, so
that going on, rewinding and appending a hint, or asking the same question again computes new tokens only. Where going
on would overwrite what another episode may come back to, the prefix is copied, which is cheap. The least recently used
store is given up first.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from env.reasoner import ReasonerError

# Read when onnxruntime is imported. Its official builds report usage to their maker unless this is set.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

CHUNK = 256
"""Positions that are computed at once; more would need memory for attention scores with the square of it."""


class Engine:
    """One model, opened."""

    context: int
    """The most tokens of a sequence."""
    shape: tuple[int, int, int, int]
    """Of the keys, and of the values, of one layer: 1, heads, context, size of a head."""
    layers: int
    """How many layers there are."""
    vocabulary: int
    """How many tokens there are to choose from."""

    def __init__(self, folder: Path, *, kept: int = 32) -> None:
        """kept: how many sequences' keys and values are kept for later requests.

        Raises ReasonerError where onnxruntime or the model is missing, or cannot be opened.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise ReasonerError(
                "the nano reasoner needs onnxruntime, which is not installed: pip install storm-calm"
            ) from error
        for name in ("model.onnx", "genai_config.json"):
            if not (folder / name).is_file():
                raise ReasonerError(
                    f"{folder}: {name} is missing; export a checkpoint to it with "
                    f"`python -m rl.nano.export CHECKPOINT {folder}`"
                )
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            config = json.loads((folder / "genai_config.json").read_text(encoding="utf-8"))["model"]
            self.context = int(config["context_length"])
            self.session = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
            decoder = config["decoder"]
            self.shape = (1, int(decoder["num_key_value_heads"]), self.context, int(decoder["head_size"]))
            self.layers = int(decoder["num_hidden_layers"])
            self.vocabulary = int(config["vocab_size"])
        except Exception as error:
            raise ReasonerError(f"{folder}: the model cannot be opened: {error}") from error
        self._kept = kept
        self._lock = threading.Lock()
        self._pasts: list[Past] = []

    @contextmanager
    def lease(self, ids: Sequence[int]) -> Iterator[Past]:
        """Keys and values for one request that begins with `ids`: those of their longest known prefix, not of all."""
        past = self._take(np.asarray(ids, dtype=np.int64))
        try:
            yield past
        finally:
            with self._lock:
                past.busy = False
                idle = [other for other in self._pasts if not other.busy]
                for other in idle[: max(0, len(self._pasts) - self._kept)]:
                    self._pasts.remove(other)

    def close(self) -> None:
        """Forget all keys and values."""
        with self._lock:
            self._pasts.clear()

    def _take(self, ids: np.ndarray) -> Past:
        with self._lock:
            source, common = None, 0
            for past in self._pasts:
                shared = past.common(ids)
                if shared > common or (shared == common > 0 and past.length == shared and not past.busy):
                    source, common = past, shared
            if source is not None and not source.busy and source.length == common:
                taken = source
            else:
                idle = [past for past in self._pasts if not past.busy]
                taken = idle[0] if idle and len(self._pasts) >= self._kept else Past(self)
                if source is not None and source is not taken:
                    taken.copy(source, common)
            taken.length = min(common, len(ids) - 1)
            taken.busy = True
            if taken in self._pasts:
                self._pasts.remove(taken)
            self._pasts.append(taken)  # The list is in the order of last use.
            return taken


class Past:
    """The keys and values of one sequence so far. One thread at a time may feed it."""

    def __init__(self, engine: Engine) -> None:
        from onnxruntime import OrtValue

        self.length = 0
        """Tokens whose keys and values are here."""
        self.busy = False
        """Whether a request has it now."""
        self._engine = engine
        self._ids = np.zeros((1, engine.context), dtype=np.int64)
        self._ones = np.ones((1, engine.context), dtype=np.int64)
        self._wrap = OrtValue.ortvalue_from_numpy
        self._pair = np.empty((1, 2, engine.vocabulary), dtype=np.float32)
        self._pair_value = self._wrap(self._pair)
        self._binding = engine.session.io_binding()
        self._layers: list[np.ndarray] = []
        for layer in range(engine.layers):
            for kind in ("key", "value"):
                # Zeros take no memory before they are written. The same buffer goes in and out: nothing is copied.
                buffer = np.zeros(engine.shape, dtype=np.float32)
                value = self._wrap(buffer)
                self._binding.bind_ortvalue_input(f"past_key_values.{layer}.{kind}", value)
                self._binding.bind_ortvalue_output(f"present.{layer}.{kind}", value)
                self._layers.append(buffer)

    def common(self, ids: np.ndarray) -> int:
        """How many of `ids`, from the first, are those that are here. One alone is not counted: see the module."""
        size = min(self.length, len(ids))
        differ = np.flatnonzero(self._ids[0, :size] != ids[:size])
        shared = int(differ[0]) if len(differ) else size
        return shared if shared > 1 else 0

    def copy(self, source: Past, length: int) -> None:
        """Take over the first `length` tokens of another sequence."""
        self._ids[:, :length] = source._ids[:, :length]
        for mine, other in zip(self._layers, source._layers, strict=True):
            mine[:, :, :length] = other[:, :, :length]

    def feed(self, ids: Sequence[int]) -> np.ndarray:
        """Append tokens, at least one; the logits of the token after them, shape (vocabulary,), until the next call."""
        end = self.length + len(ids)
        self._ids[0, self.length : end] = ids
        if len(ids) == 1 and self.length > 0:
            self.length -= 1
        while end - self.length > CHUNK + 1:
            self._run(self.length + CHUNK)
        return self._run(end)

    def _run(self, end: int) -> np.ndarray:
        count = end - self.length
        logits = self._pair if count == 2 else np.empty((1, count, self._engine.vocabulary), dtype=np.float32)
        self._binding.bind_cpu_input("input_ids", self._ids[:, self.length : end])
        self._binding.bind_cpu_input("attention_mask", self._ones[:, :end])
        self._binding.bind_ortvalue_output("logits", self._pair_value if count == 2 else self._wrap(logits))
        self._engine.session.run_with_iobinding(self._binding)
        self.length = end
        return logits[0, -1]
