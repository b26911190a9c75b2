"""A KV cache for a batch of sequences of different lengths, updated in place by a transformers model.

transformers' own caches copy everything for each token (`DynamicCache`), or need all rows at the same position
(`StaticCache`). Here each row has its own position, and the model runs on a contiguous range of rows:

    cache = BatchedKVCache(model.config, rows=64, length=1024, dtype=torch.float32, device=model.device)
    logits = cache.run(model, start=0, ids=[[5, 9, 2], [7, 1]])      # of the last token of each row

The first tokens show the shapes of keys and values, which architectures choose differently (DeepSeek V3's values are
smaller than its keys). Layers with a sliding window (Gemma 3) get a mask of their own.
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
        layers = config.get_text_config().num_hidden_layers
        self.length = length
        self.device = device
        self.used = [0] * rows
        self._dtype = dtype
        self._keys: list[torch.Tensor | None] = [None] * layers
        self._values: list[torch.Tensor | None] = [None] * layers
        self._cleared = [0] * layers

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
        last = torch.tensor(counts, device=self.device) - 1

        def keep_last(_: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
            """Compute logits of the last tokens only, by the model's own code, which may scale or cap them."""
            return (inputs[0][torch.arange(len(ids), device=self.device), last][:, None],)

        hook = model.get_output_embeddings().register_forward_pre_hook(keep_last)
        try:
            logits = model(
                input_ids=tokens,
                attention_mask=_masks(model.config, places, reach),
                position_ids=places,
                past_key_values=_View(self, start, places, reach),
                use_cache=True,
            ).logits[:, 0]
        finally:
            hook.remove()
        for row, (old, new) in enumerate(zip(before, counts, strict=True), start):
            self.used[row] = old + new
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def write(
        self, layer: int, start: int, places: torch.Tensor, reach: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write keys and values of the rows from `start` on, shape (rows, heads, new, size), and return all of them.

        places: of the new tokens, shape (rows, new). reach: the positions to return.
        """
        rows = torch.arange(len(places), device=self.device)[:, None]
        known = []
        for blocks, new in ((self._keys, keys), (self._values, values)):
            block = blocks[layer]
            if block is None:
                shape = (len(self.used), new.shape[1], self.length, new.shape[3])
                block = blocks[layer] = torch.empty(shape, dtype=self._dtype, device=self.device)
            known.append(block)
        self._clear(layer, reach)
        for block, new in zip(known, (keys, values), strict=True):
            block[start : start + len(places)][rows, :, places] = new.transpose(1, 2)
        ours = slice(start, start + len(places))
        return known[0][ours, :, :reach], known[1][ours, :, :reach]

    def _clear(self, layer: int, reach: int) -> None:
        """Zero unused positions, since an attention weight of 0 times uninitialized memory may be NaN."""
        if reach > self._cleared[layer]:
            end = min(self.length, reach + _AHEAD)
            for block in (self._keys[layer], self._values[layer]):
                if block is not None:
                    block[:, :, self._cleared[layer] : end] = 0
            self._cleared[layer] = end

    @torch.inference_mode()
    def copy(self, source: int, target: int) -> None:
        used = self.used[target] = self.used[source]
        for block in self._blocks():
            block[target, :, :used] = block[source, :, :used]

    @torch.inference_mode()
    def swap(self, one: int, other: int) -> None:
        if one == other:
            return
        used = max(self.used[one], self.used[other])
        for block in self._blocks():
            saved = block[one, :, :used].clone()
            block[one, :, :used] = block[other, :, :used]
            block[other, :, :used] = saved
        self.used[one], self.used[other] = self.used[other], self.used[one]

    def _blocks(self) -> list[torch.Tensor]:
        return [block for block in (*self._keys, *self._values) if block is not None]


def _masks(config: Any, places: torch.Tensor, reach: int) -> Any:
    """Return the attention mask, shape (rows, 1, new, reach); one for each kind of layer if some have a window."""
    positions = torch.arange(reach, device=places.device)
    mask = (positions <= places[:, :, None])[:, None]
    text = config.get_text_config()
    if "sliding_attention" not in (getattr(text, "layer_types", None) or ()):
        return mask
    near = (positions > places[:, :, None] - text.sliding_window)[:, None]
    return {"full_attention": mask, "sliding_attention": mask & near}


class _View:
    """A range of rows, with the cache interface of transformers."""

    def __init__(self, cache: BatchedKVCache, start: int, places: torch.Tensor, reach: int) -> None:
        self._cache, self._start, self._places, self._reach = cache, start, places, reach

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new keys and values, both of shape (rows, heads, new, size), and return all of them."""
        return self._cache.write(layer, self._start, self._places, self._reach, keys, values)

    def get_seq_length(self, *_: Any) -> int:
        return self._reach
