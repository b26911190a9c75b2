"""The engine under the nano reasoner: onnxruntime, with a store of past keys and values.

It opens a folder as `rl.nano.export` (or onnxruntime-genai's own model builder) makes it, and gives logits:

    engine = Engine(Path("models/nano/base"))
    with engine.lease(ids) as past:
        logits = past.feed(ids[past.length :])      # of the token after the last
        logits = past.feed([17])                    # and of the one after that

**Many episodes at once.** Each call runs one sequence on one thread, and onnxruntime lets go of Python's lock while it
computes, so as many threads as there are cores compute at once over one copy of the weights. Rows of different lengths
in one batch would need a scheduler between the threads, and gain little on few cores.

**The same bits, always.** The logits after a prompt have the same bits whether it was computed at once, in pieces, or
partly in an earlier request: all that holds as long as each run computes two positions or more, on one thread. One
position alone goes through other kernels (a matrix times a vector), which add in another order and are faster. So
tokens are written one at a time, and what was written is not taken over from a request into the next: there it is part
of the prompt, and is computed as such, in one run. Thus the logits follow from the prompt and what was written since.

**Little computed twice.** Keys and values of prompts stay. The next request takes over the longest common prefix, so
going on, rewinding and appending a hint, or asking the same question again computes only what was not yet part of a
prompt. Where going on would overwrite what another episode may come back to, the prefix is copied, which is cheap. The
least recently used store is given up first.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from storm_calm.env.reasoner import ReasonerError

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
        except ModuleNotFoundError as error:
            raise ReasonerError(
                f"the nano reasoner needs {error.name}, which is not installed: pip install storm-calm"
            ) from error
        except ImportError as error:
            raise ReasonerError(f"onnxruntime is installed, but can't be loaded: {error}") from error
        for name in ("model.onnx", "genai_config.json"):
            if not (folder / name).is_file():
                raise ReasonerError(
                    f"{folder}: {name} is missing; export a checkpoint to it with "
                    f"`python -m storm_calm.rl.nano.export CHECKPOINT {folder}`"
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
                if shared > common or (shared == common > 0 and past.prompt == shared and not past.busy):
                    source, common = past, shared
            if source is not None and not source.busy and source.prompt == common:
                taken = source
            else:
                idle = [past for past in self._pasts if not past.busy]
                taken = idle[0] if idle and len(self._pasts) >= self._kept else Past(self)
                if source is not None and source is not taken:
                    taken.copy(source, common)
            taken.length = taken.prompt = max(0, min(common, len(ids) - 2))
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
        self.prompt = 0
        """How many of them, from the first, were computed as part of a prompt."""
        self.busy = False
        """Whether a request has it now."""
        self._session = engine.session
        self._vocabulary = engine.vocabulary
        self._ids = np.zeros((1, engine.context), dtype=np.int64)
        self._ones = np.ones((1, engine.context), dtype=np.int64)
        self._wrap = OrtValue.ortvalue_from_numpy
        # Nearly every run computes one position. For these, ids and logits have fixed places.
        self._one = np.empty((1, 1), dtype=np.int64)
        self._one_logits = np.empty((1, 1, engine.vocabulary), dtype=np.float32)
        self._one_bound = False
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
        """How many of `ids`, from the first, were computed here as part of a prompt."""
        size = min(self.prompt, len(ids))
        differ = np.flatnonzero(self._ids[0, :size] != ids[:size])
        return int(differ[0]) if len(differ) else size

    def copy(self, source: Past, length: int) -> None:
        """Take over the first `length` tokens of another sequence."""
        self._ids[:, :length] = source._ids[:, :length]
        for mine, other in zip(self._layers, source._layers, strict=True):
            mine[:, :, :length] = other[:, :, :length]

    def feed(self, ids: Sequence[int]) -> np.ndarray:
        """Append tokens: first the rest of the prompt, then one by one what is written.

        Returns the logits of the token after them, shape (vocabulary,), which the next call overwrites.
        """
        end = self.length + len(ids)
        self._ids[0, self.length : end] = ids
        while end - self.length > CHUNK + 1:
            self._run(self.length + CHUNK)
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
        if count > 1 and self.prompt == self.length:
            self.prompt = end
        self.length = end
        return logits[0, -1]
