"""Keys and values of many sequences in one block of memory, a row each, that a transformers model reads and writes.

transformers' own caches copy everything at each token (`DynamicCache`), or want all rows at one position
(`StaticCache`). Here each row has a position of its own, and a model runs on a stretch of rows in place:

    cache = BatchedKVCache(model.config, rows=64, length=1024, dtype=torch.float32, device=model.device)
    logits = cache.run(model, start=0, ids=[[5, 9, 2], [7, 1]])      # of the last token of each row
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

_AHEAD = 128
"""Positions that are cleared at once. All at first would take all the memory, and most rows never get that long."""


class BatchedKVCache:
    """Rows of keys and values. `used` says how many tokens of each row count; what lies behind them is ignored."""

    def __init__(self, config: Any, *, rows: int, length: int, dtype: torch.dtype, device: torch.device) -> None:
        """config: of the model. length: the most tokens of a row."""
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
        """Feed `ids[i]`, one token or more, to row `start + i`, behind what it has.

        Returns the logits after the last token of each, shape (rows, vocabulary), in 32 bits, or in 64 as the model.
        """
        stop = start + len(ids)
        before = self.used[start:stop]
        counts = [len(new) for new in ids]
        width = max(counts)
        tokens = torch.tensor([list(new) + [0] * (width - len(new)) for new in ids], device=self.device)
        past = torch.tensor(before, device=self.device)[:, None]
        # Padding is written behind a row's end, where the next token overwrites it before anything looks there.
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
        """Put zeros where nothing was written yet: a weight of 0 times what memory held before may be no number."""
        if reach > self._cleared:
            end = min(self.length, reach + _AHEAD)
            self._keys[:, :, :, self._cleared : end] = 0
            self._values[:, :, :, self._cleared : end] = 0
            self._cleared = end

    def copy(self, source: int, target: int) -> None:
        """Give row `target` what row `source` has."""
        used = self.used[target] = self.used[source]
        for block in (self._keys, self._values):
            block[:, target, :, :used] = block[:, source, :, :used]

    def swap(self, one: int, other: int) -> None:
        """Exchange two rows."""
        if one == other:
            return
        used = max(self.used[one], self.used[other])
        for block in (self._keys, self._values):
            kept = block[:, one, :, :used].clone()
            block[:, one, :, :used] = block[:, other, :, :used]
            block[:, other, :, :used] = kept
        self.used[one], self.used[other] = self.used[other], self.used[one]


class _View:
    """A stretch of rows for one run of the model: what transformers asks of a cache."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, places: torch.Tensor, reach: int) -> None:
        self._keys, self._values, self._reach = keys, values, reach
        self._index = (torch.arange(len(places), device=places.device)[:, None], places)

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new keys and values, both of shape (rows, heads, new, size); all that can be looked at."""
        rows, places = self._index
        self._keys[layer][rows, :, places] = keys.transpose(1, 2)
        self._values[layer][rows, :, places] = values.transpose(1, 2)
        return self._keys[layer][:, :, : self._reach], self._values[layer][:, :, : self._reach]

    def get_seq_length(self, *_: Any) -> int:
        return self._reach
