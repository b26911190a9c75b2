"""Continuous batching with a transformers model: sequences join and leave while others are being generated.

    batch = GenerationBatch(model, tokens, rows=64, length=1024)
    batch.join([GenerationRequest(key="a", ids=prompt, limit=256, temperature=1.0, top_p=1.0, stop=(), seed=7)])
    while batch.busy:
        for segment in batch.step():
            print(segment.key, segment.ids, segment.logprobs)

The rollouts of a group start with the same prompt, so a prompt is computed only once. A rollout pauses at each program
and returns with its output, so a row keeps its KV cache: a request that continues its tokens computes only the rest.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from storm_calm.agents.reasoners.stop_strings import after_stop
from storm_calm.agents.reasoners.tokenizer import ByteTokens, Decoder
from storm_calm.rl.verl_cpu.batched_kv_cache import BatchedKVCache

_TAIL = 64
"""Characters that are searched for stop strings, which must be shorter."""
_REWRITTEN = 16
"""The most tokens at the end of a finished row that its continuation may replace, such as those after a stop string."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRequest:
    """A request to continue a prompt."""

    key: Hashable
    """Names the request in its `GeneratedSegment`."""
    ids: tuple[int, ...]
    """The prompt, shape (tokens,)."""
    limit: int
    """The most tokens to generate."""
    temperature: float
    """0 for greedy decoding."""
    top_p: float
    stop: tuple[str, ...]
    """Stop strings."""
    seed: int | None
    """Seeds the sampling together with the length of the prompt, so that a continuation draws other numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratedSegment:
    key: Hashable
    ids: tuple[int, ...]
    """Token ids, with the one that ended the segment, shape (tokens,)."""
    logprobs: tuple[float, ...]
    """Log-probabilities at the request's temperature, without top_p; shape (tokens,)."""


@dataclass(slots=True, eq=False)
class _Row:
    """A sequence, and its current or last request."""

    known: list[int] = field(default_factory=list)
    """Tokens whose keys and values are in the cache."""
    request: GenerationRequest = field(init=False)
    decoder: Decoder = field(init=False)
    rng: np.random.Generator = field(init=False)
    written: list[int] = field(init=False)
    logprobs: list[float] = field(init=False)
    tail: str = field(init=False)

    def begin(self, request: GenerationRequest, decoder: Decoder) -> None:
        self.request, self.decoder, self.tail = request, decoder, ""
        self.written, self.logprobs = [], []
        entropy = None if request.seed is None else (request.seed, len(request.ids))
        self.rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))

    def continued_by(self, request: GenerationRequest) -> bool:
        kept = max(1, len(self.known) - _REWRITTEN)
        # The last token differs in most other rows, and is compared first.
        return (
            len(request.ids) >= kept <= len(self.known)
            and request.ids[kept - 1] == self.known[kept - 1]
            and request.ids[:kept] == tuple(self.known[:kept])
        )


class GenerationBatch:
    """A batch of rows: first the active ones, then the waiting ones."""

    def __init__(self, model: Any, tokens: ByteTokens, *, rows: int, length: int) -> None:
        """model: a causal language model of transformers. rows: the most rows, waiting ones included.

        length: the most tokens of a row, prompt included.
        """
        self._model, self._tokens = model, tokens
        self._cache = BatchedKVCache(model.config, rows=rows, length=length, dtype=model.dtype, device=model.device)
        self._rows: list[_Row] = []
        self._active = 0
        self._capacity = rows
        self._logits = torch.zeros(0, model.config.vocab_size, device=model.device)

    @property
    def busy(self) -> bool:
        """Whether any row is active."""
        return self._active > 0

    @property
    def active(self) -> int:
        """The number of rows that are being generated."""
        return self._active

    @property
    def room(self) -> int:
        """The number of requests that can join now."""
        return self._capacity - self._active

    def forget(self) -> None:
        """Drop the KV cache of all rows after a change of weights. No row may be active."""
        assert not self.busy, "rows are active"
        self._rows = []

    def abort(self) -> list[GeneratedSegment]:
        """Stop all active rows, and return what they have written so far. Their KV cache is kept."""
        rows, self._active, self._logits = self._rows[: self._active], 0, self._logits[:0]
        return [_segment(row) for row in rows]

    def check(self, request: GenerationRequest) -> None:
        """Raise ValueError if the prompt with its new tokens exceeds the row length."""
        if not request.ids or len(request.ids) + request.limit > self._cache.length:
            raise ValueError(
                f"a prompt of {len(request.ids)} tokens and {request.limit} new ones do not fit "
                f"{self._cache.length}; raise data.max_prompt_length or data.max_response_length"
            )

    def join(self, requests: Sequence[GenerationRequest]) -> None:
        """Start at most `room` requests. Raises ValueError as `check` does, and starts none of them then."""
        for request in requests:
            self.check(request)
        start = self._active
        for request in requests:
            row = self._row(request)
            self._move(row, self._active)
            self._active += 1
            row.begin(request, self._tokens.decoder())
        self._logits = torch.cat([self._logits, self._feed(start)])

    @torch.inference_mode()
    def step(self) -> list[GeneratedSegment]:
        """Generate one token in every active row, and return the segments that are finished."""
        drawn = self._draw()
        done: list[GeneratedSegment] = []
        for at in reversed(range(self._active)):
            row = self._rows[at]
            if self._take(row, *drawn[at]):
                done.append(_segment(row))
                # The last active row takes its place, also in `drawn`.
                self._active -= 1
                self._move(row, self._active)
                drawn[at] = drawn[self._active]
        if self._active:
            fed = [[drawn[at][0]] for at in range(self._active)]
            self._logits = self._cache.run(self._model, start=0, ids=fed)
            for row, new in zip(self._rows, fed, strict=False):
                row.known += new
        else:
            self._logits = self._logits[:0]
        return done

    def _row(self, request: GenerationRequest) -> _Row:
        """Return the waiting row that the request continues, or a new one."""
        for row in self._rows[self._active :]:
            if row.continued_by(request):
                return row
        if len(self._rows) == self._capacity:  # Reuse the row that has waited longest.
            self._rows[-1].known = []
        else:
            self._rows.append(_Row())
        return self._rows[-1]

    def _move(self, row: _Row, place: int) -> None:
        at = self._rows.index(row)
        self._cache.swap(at, place)
        self._rows[at], self._rows[place] = self._rows[place], self._rows[at]

    def _feed(self, start: int) -> torch.Tensor:
        """Prefill the rows from `start` on, and return the logits after each prompt."""
        rows = self._rows[start : self._active]
        first: dict[tuple[int, ...], int] = {}
        copies: dict[int, int] = {}
        for at, row in enumerate(rows):
            prompt = row.request.ids
            shared = _common_prefix(row.known, prompt)
            row.known = row.known[: min(shared, len(prompt) - 1)]
            self._cache.used[start + at] = len(row.known)
            if not row.known and prompt in first:
                copies[at] = first[prompt]
            else:
                first.setdefault(prompt, at)
        # Copied rows come after computed ones, so that the latter are contiguous.
        order = sorted(range(len(rows)), key=lambda at: at in copies)
        place = {at: new for new, at in enumerate(order)}
        arranged = [rows[at] for at in order]
        for new, row in enumerate(arranged):
            self._move(row, start + new)
        computed = len(rows) - len(copies)
        fed = [list(row.request.ids[len(row.known) :]) for row in arranged[:computed]]
        logits = self._cache.run(self._model, start=start, ids=fed)
        index = list(range(computed))
        for at in order[computed:]:
            source = place[copies[at]]
            self._cache.copy(start + source, start + place[at])
            index.append(source)
        for row in arranged:
            row.known = list(row.request.ids)
        return logits[index]

    def _draw(self) -> list[tuple[int, float]]:
        """Sample the next token of each active row. Returns pairs of id and log-probability."""
        rows = self._rows[: self._active]
        temperatures = torch.tensor([row.request.temperature for row in rows], device=self._logits.device)
        greedy = temperatures == 0
        logprobs = (self._logits / torch.where(greedy, 1.0, temperatures)[:, None]).log_softmax(-1)
        points = torch.tensor([row.rng.random() for row in rows], device=logprobs.device)
        top_p = torch.tensor([row.request.top_p for row in rows], device=logprobs.device)
        probabilities = logprobs.exp()
        if bool((top_p < 1).any()):
            ordered, order = probabilities.sort(-1, descending=True)
            outside = ordered.cumsum(-1) - ordered >= top_p[:, None]
            probabilities = probabilities.scatter(-1, order, ordered.masked_fill(outside, 0.0))
        sums = probabilities.cumsum(-1)
        drawn = (sums <= (points * sums[:, -1])[:, None]).sum(-1).clamp(max=sums.shape[1] - 1)
        ids = torch.where(greedy, self._logits.argmax(-1), drawn)
        chosen = logprobs.gather(-1, ids[:, None])[:, 0]
        return list(zip(ids.tolist(), chosen.tolist(), strict=True))

    def _take(self, row: _Row, id: int, logprob: float) -> bool:
        """Append a token, and return whether it ends the segment."""
        assert math.isfinite(logprob)
        row.written.append(id)
        row.logprobs.append(logprob)
        if id in self._tokens.end_ids or len(row.written) >= row.request.limit:
            return True
        piece = row.decoder.feed(id)
        row.tail = (row.tail + piece)[-_TAIL - len(piece) :]
        return after_stop(row.tail, row.request.stop, new=len(piece)) is not None


def _segment(row: _Row) -> GeneratedSegment:
    return GeneratedSegment(key=row.request.key, ids=tuple(row.written), logprobs=tuple(row.logprobs))


def _common_prefix(known: Sequence[int], prompt: Sequence[int]) -> int:
    pairs = enumerate(zip(known, prompt, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(known), len(prompt)))
