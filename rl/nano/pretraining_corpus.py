"""Build the pretraining corpus: play many traces in several processes, and store token ids and loss masks.

Only training instances are played. Sampling depends on the seed, the worker and the order of its traces alone, so the
same call gives the same corpus.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Self

import numpy as np

from storm_calm.agents.triggers.names import TRIGGER_OF
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.problems.families import FAMILIES, instances
from storm_calm.env.reasoner import PromptRenderer
from storm_calm.env.solver_env import SolverEnv
from storm_calm.rl.nano.play_traces import HINTED_SHARE, MIX, Trace, play
from storm_calm.rl.nano.trace_builder import UnsuitableInstanceError
from storm_calm.sandbox import Sandbox, open_sandbox


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """Played traces as flat arrays."""

    ids: np.ndarray
    """Token ids of all traces, concatenated, uint16, shape (tokens,)."""
    learn: np.ndarray
    """The loss mask, uint8, shape (tokens,)."""
    starts: np.ndarray
    """The index of each trace's first token, and the number of tokens, int64, shape (traces + 1,)."""
    right: np.ndarray
    """Whether the tokens with loss contain no flaw, bool, shape (traces,)."""
    labels: np.ndarray
    """"family/kind" or "family/kind/hinted" of each trace, shape (traces,)."""

    def save(self, path: Path) -> None:
        np.savez_compressed(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Self:
        with np.load(path) as data:
            return cls(**{field.name: data[field.name] for field in fields(cls)})

    def rates(self) -> dict[str, float]:
        """Return the share of each kind among traces without a hint, and of hinted traces among all."""
        kinds = [label.split("/")[1:] for label in self.labels]
        plain = Counter(kind[0] for kind in kinds if len(kind) == 1)
        total = sum(plain.values())
        return {kind: count / total for kind, count in plain.most_common()} | {"hinted": 1 - total / len(kinds)}


def traces(renderer: PromptRenderer, sandbox: Sandbox, *, seed: str, record: bool = False) -> Iterator[Trace]:
    """Yield endless traces of training instances, the families in turn, with kinds sampled from `MIX`.

    record: record the solves of their programs.
    """
    env = SolverEnv(sandbox, renderer, record=record)
    rng = random.Random(f"traces/{seed}")
    number = int.from_bytes(random.Random(f"instances/{seed}").randbytes(6))
    for instance in instances(list(FAMILIES.values()), split="train", seed=number):
        problem = instance.problem()
        while True:
            hinted = rng.random() < HINTED_SHARE
            mix = {k: w for k, w in MIX[instance.difficulty].items() if not hinted or k in TRIGGER_OF}
            kind = rng.choices(list(mix), list(mix.values()))[0]
            try:
                trace = play(env, instance, problem, kind, hinted=hinted, rng=rng)
            except UnsuitableInstanceError:
                continue
            break
        yield trace


def build(renderer: PromptRenderer, *, count: int, seed: int, workers: int) -> Corpus:
    """Play `count` traces in `workers` processes, each with its own sandbox."""
    jobs = partial(_play_many, renderer, -(-count // workers), seed)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        rows = [row for part in pool.map(jobs, range(workers)) for row in part][:count]
    ids, learn, right, labels = zip(*rows, strict=True)
    return pack(ids, learn, right=np.array(right), labels=np.array(labels))


def pack(ids: Sequence[np.ndarray], learn: Sequence[np.ndarray], *, right: np.ndarray, labels: np.ndarray) -> Corpus:
    """Return a corpus of traces. ids, learn: the arrays of each trace."""
    starts = np.concatenate([[0], np.cumsum([len(row) for row in ids])]).astype(np.int64)
    return Corpus(ids=np.concatenate(ids), learn=np.concatenate(learn), starts=starts, right=right, labels=labels)


Row = tuple[np.ndarray, np.ndarray, bool, str]


def _play_many(renderer: PromptRenderer, count: int, seed: int, worker: int) -> list[Row]:
    with open_sandbox() as sandbox:
        return [_row(trace) for trace in islice(traces(renderer, sandbox, seed=f"{seed}/{worker}"), count)]


def _row(trace: Trace) -> Row:
    transcript = trace.episode.transcript
    assert transcript.ids is not None, "the renderer has no tokenizer"
    learn = np.array(loss_mask(transcript, "rl"), dtype=np.uint8)
    skipped = sum(len(span.ids or ()) for span in transcript.spans[: trace.learn_from])
    learn[:skipped] = 0
    label = f"{trace.episode.problem.family}/{trace.kind}" + ("/hinted" if trace.hinted else "")
    right = trace.hinted or trace.kind not in TRIGGER_OF
    return np.array(transcript.ids, dtype=np.uint16), learn, right, label
