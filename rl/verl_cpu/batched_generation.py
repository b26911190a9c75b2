"""Writing many sequences at once with a transformers model: rows join and leave while others are being written.

    batch = GenerationBatch(model, tokens, rows=64, length=1024)
    batch.join([GenerationRequest(key="a", ids=prompt, limit=256, temperature=1.0, top_p=1.0, stop=(), seed=7)])
    while batch.busy:
        for written in batch.step():
            print(written.key, written.ids, written.logprobs)

Rollouts begin together, stop at a program, and come back one by one with what it printed. So a prompt that several
ask for is computed once, and a row stays when its segment is over: when its key comes back, only what is new is fed.
"""

from __future__ import annotations

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
"""Characters in which a stop string is looked for; none is longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRequest:
    """What to go on from, and how."""

    key: Hashable
    """Whose it is; the same key again goes on from where it was."""
    ids: tuple[int, ...]
    """The prompt, shape (tokens,)."""
    limit: int
    """The most tokens to write."""
    temperature: float
    """0 for the likeliest token."""
    top_p: float
    """As in `env.Sampling`."""
    stop: tuple[str, ...]
    """Strings after which to stop."""
    seed: int | None
    """For the same draws again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratedSegment:
    """What came of a request."""

    key: Hashable
    """The request's."""
    ids: tuple[int, ...]
    """Token ids, the one included that ended it, shape (tokens,)."""
    logprobs: tuple[float, ...]
    """Log-probability of each at the request's temperature, of the whole distribution; shape (tokens,)."""


@dataclass(slots=True, eq=False)
class _Row:
    """A sequence: being written, or waiting to be asked for again."""

    key: Hashable
    known: list[int] = field(default_factory=list)
    """Tokens whose keys and values the row has."""
    request: GenerationRequest | None = None
    decoder: Decoder | None = None
    draws: np.random.Generator | None = None
    written: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    tail: str = ""


class GenerationBatch:
    """Rows: first those that are being written, then those that wait, then free ones."""

    def __init__(self, model: Any, tokens: ByteTokens, *, rows: int, length: int) -> None:
        """model: a causal language model of transformers, on its device. rows: the most at once, waiting ones included.

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
        """Whether anything is being written."""
        return self._active > 0

    @property
    def active(self) -> int:
        """How many rows are being written."""
        return self._active

    @property
    def room(self) -> int:
        """How many requests can join now."""
        return self._capacity - self._active

    def forget(self) -> None:
        """Drop what waiting rows know, as the weights have changed; nothing must be under way."""
        assert not self.busy, "rows are being written"
        self._rows = []

    def join(self, requests: Sequence[GenerationRequest]) -> None:
        """Begin to write for at most `room` more.

        Raises ValueError for a prompt that leaves no room in a row.
        """
        for request in requests:
            if not request.ids or len(request.ids) + request.limit > self._cache.length:
                raise ValueError(
                    f"a prompt of {len(request.ids)} tokens and {request.limit} new ones do not fit "
                    f"{self._cache.length}; raise data.max_prompt_length or data.max_response_length"
                )
        start = self._active
        for request in requests:
            row = self._row(request)
            self._move(row, self._active)
            self._active += 1
            row.request, row.decoder, row.tail = request, self._tokens.decoder(), ""
            row.written, row.logprobs = [], []
            row.draws = np.random.Generator(np.random.PCG64(request.seed))
        self._logits = torch.cat([self._logits, self._feed(start)])

    @torch.inference_mode()
    def step(self) -> list[GeneratedSegment]:
        """Write one token in every row; what is finished now."""
        drawn = self._draw()
        done: list[GeneratedSegment] = []
        for at in reversed(range(self._active)):
            row = self._rows[at]
            if self._take(row, *drawn[at]):
                assert row.request is not None
                done.append(GeneratedSegment(key=row.key, ids=tuple(row.written), logprobs=tuple(row.logprobs)))
                # The last active row takes its place, also among the tokens that are fed next.
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
        """The row that has most of a request: its own of before, or a new one."""
        for row in self._rows[self._active :]:
            if row.key == request.key:
                return row
        if len(self._rows) == self._capacity:  # Whoever waits longest makes room: it may never come back.
            oldest = self._rows[-1]
            oldest.key, oldest.known = request.key, []
            return oldest
        self._rows.append(_Row(key=request.key))
        return self._rows[-1]

    def _move(self, row: _Row, place: int) -> None:
        at = self._rows.index(row)
        self._cache.swap(at, place)
        self._rows[at], self._rows[place] = self._rows[place], self._rows[at]

    def _feed(self, start: int) -> torch.Tensor:
        """Compute what rows from `start` on do not know yet of their prompts; the logits after each."""
        rows = self._rows[start : self._active]
        first: dict[tuple[int, ...], int] = {}
        copies: dict[int, int] = {}
        for at, row in enumerate(rows):
            assert row.request is not None
            prompt = row.request.ids
            shared = _shared(row.known, prompt)
            row.known = row.known[: min(shared, len(prompt) - 1)]
            self._cache.used[start + at] = len(row.known)
            if not row.known and prompt in first:
                copies[at] = first[prompt]
            else:
                first.setdefault(prompt, at)
        # Rows that are copied come behind those that are computed, so that these are one stretch.
        order = sorted(range(len(rows)), key=lambda at: at in copies)
        place = {at: new for new, at in enumerate(order)}
        arranged = [rows[at] for at in order]
        for new, row in enumerate(arranged):
            self._move(row, start + new)
        computed = len(rows) - len(copies)
        fed = [list(row.request.ids[len(row.known) :]) for row in arranged[:computed] if row.request]
        logits = self._cache.run(self._model, start=start, ids=fed)
        index = list(range(computed))
        for at in order[computed:]:
            source = place[copies[at]]
            self._cache.copy(start + source, start + place[at])
            index.append(source)
        for row in arranged:
            assert row.request is not None
            row.known = list(row.request.ids)
        return logits[index]

    def _draw(self) -> list[tuple[int, float]]:
        """The next token of each row, and its log-probability."""
        rows = self._rows[: self._active]
        heat = torch.tensor([row.request.temperature for row in rows if row.request], device=self._logits.device)
        greedy = heat == 0
        logprobs = (self._logits / torch.where(greedy, 1.0, heat)[:, None]).log_softmax(-1)
        points = torch.tensor([row.draws.random() for row in rows if row.draws], device=logprobs.device)
        nucleus = torch.tensor([row.request.top_p for row in rows if row.request], device=logprobs.device)
        likelihood = logprobs.exp()
        if bool((nucleus < 1).any()):
            ordered, order = likelihood.sort(-1, descending=True)
            outside = ordered.cumsum(-1) - ordered >= nucleus[:, None]
            likelihood = likelihood.scatter(-1, order, ordered.masked_fill(outside, 0.0))
        sums = likelihood.cumsum(-1)
        drawn = (sums <= (points * sums[:, -1])[:, None]).sum(-1).clamp(max=sums.shape[1] - 1)
        ids = torch.where(greedy, self._logits.argmax(-1), drawn)
        chosen = logprobs.gather(-1, ids[:, None])[:, 0]
        return list(zip(ids.tolist(), chosen.tolist(), strict=True))

    def _take(self, row: _Row, id: int, logprob: float) -> bool:
        """Write a token; whether it was the segment's last."""
        assert row.request is not None
        assert row.decoder is not None
        assert math.isfinite(logprob)
        row.written.append(id)
        row.logprobs.append(logprob)
        if id in self._tokens.end_ids or len(row.written) >= row.request.limit:
            return True
        piece = row.decoder.feed(id)
        row.tail = (row.tail + piece)[-_TAIL - len(piece) :]
        return after_stop(row.tail, row.request.stop, new=len(piece)) is not None


def _shared(known: Sequence[int], prompt: Sequence[int]) -> int:
    """How many tokens both begin with."""
    return next(
        (at for at, (one, other) in enumerate(zip(known, prompt, strict=False)) if one != other),
        min(len(known), len(prompt)),
    )
