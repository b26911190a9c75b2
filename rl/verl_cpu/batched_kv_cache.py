"""A KV cache for a batch of sequences of different lengths, updated in place by a transformers model.

transformers' own caches copy everything for each token (`DynamicCache`), or need all rows at the same position
(`StaticCache`). Here each row has its own position, and the model runs on a contiguous range of rows:

    cache = BatchedKVCache(model.config, rows=64, length=1024, dtype=torch.float32, device=model.device)
    logits = cache.run(model, start=0, ids=[[5, 9, 2], [7, 1]])      # of the last token of each row
"""

from collections.abc import Sequence
from typing import Any

import torch

_AHEAD = 128
"""Positions that are zeroed at a time. Zeroing all at the start would use all the memory; most rows stay short."""


class BatchedKVCache:
    """A KV cache with one row per sequence. `used` is the length of each row in tokens; the rest is ignored."""

    def __init__(self, config: Any, *, rows: int, length: int, dtype: torch.dtype, device: torch.device) -> None:
        """config: that of the model. length: the most tokens of a row."""
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (config.num_hidden_layers, rows, config.num_key_value_heads, length, size)
        self.length = length
        self.device = device
        self.used = [0] * rows
        self._keys = torch.empty(shape, dtype=dtype, device=device)
        self._values = torch.empty(shape, dtype=dtype, device=device)
        self._cleared = 0

    @torch.inference_mode()
    def run(self, model: Any, *, start: int, ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Append `ids[i]`, one or more tokens, to row `start + i`.

        Returns the logits after the last token of each row, shape (rows, vocabulary), in at least 32 bits.
        """
        stop = start + len(ids)
        before = self.used[start:stop]
        counts = [len(new) for new in ids]
        width = max(counts)
        tokens = torch.tensor([list(new) + [0] * (width - len(new)) for new in ids], device=self.device)
        past = torch.tensor(before, device=self.device)[:, None]
        # Padding is written after a row's end; the next token overwrites it before it is read.
        places = (past + torch.arange(width, device=self.device)).clamp(max=self.length - 1)
        reach = int(places.max()) + 1
        self._clear(reach)
        mask = torch.arange(reach, device=self.device) <= places[:, :, None]
        view = _View(self._keys[:, start:stop], self._values[:, start:stop], places, reach)
        hidden = model.model(
            input_ids=tokens,
            attention_mask=mask[:, None],
            position_ids=places,
            past_key_values=view,
            use_cache=True,
        ).last_hidden_state
        for row, (old, new) in enumerate(zip(before, counts, strict=True), start):
            self.used[row] = old + new
        last = torch.tensor(counts, device=self.device) - 1
        logits = model.lm_head(hidden[torch.arange(len(ids), device=self.device), last])
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def _clear(self, reach: int) -> None:
        """Zero unused positions, since an attention weight of 0 times uninitialized memory may be NaN."""
        if reach > self._cleared:
            end = min(self.length, reach + _AHEAD)
            self._keys[:, :, :, self._cleared : end] = 0
            self._values[:, :, :, self._cleared : end] = 0
            self._cleared = end

    def copy(self, source: int, target: int) -> None:
        used = self.used[target] = self.used[source]
        for block in (self._keys, self._values):
            block[:, target, :, :used] = block[:, source, :, :used]

    def swap(self, one: int, other: int) -> None:
        if one == other:
            return
        used = max(self.used[one], self.used[other])
        for block in (self._keys, self._values):
            saved = block[:, one, :, :used].clone()
            block[:, one, :, :used] = block[:, other, :, :used]
            block[:, other, :, :used] = saved
        self.used[one], self.used[other] = self.used[other], self.used[one]


class _View:
    """A range of rows, with the cache interface of transformers."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, places: torch.Tensor, reach: int) -> None:
        self._keys, self._values, self._reach = keys, values, reach
        self._index = (torch.arange(len(places), device=places.device)[:, None], places)

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new keys and values, both of shape (rows, heads, new, size), and return all of them."""
        rows, places = self._index
        self._keys[layer][rows, :, places] = keys.transpose(1, 2)
        self._values[layer][rows, :, places] = values.transpose(1, 2)
        return self._keys[layer][:, :, : self._reach], self._values[layer][:, :, : self._reach]

    def get_seq_length(self, *_: Any) -> int:
        return self._reach
