"""Playing the corpus: many traces, in many processes, into one file of ids and loss masks.

Only instances of the train split are played. A trace's draws depend on the seed, its worker and its turn alone, so the
same call gives the same corpus.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from storm_calm.agents.triggers.names import TRIGGER_OF
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.problems.families import FAMILIES, instances
from storm_calm.env.reasoner import PromptRenderer
from storm_calm.env.solver_env import SolverEnv
from storm_calm.rl.nano.play_traces import HINTED_SHARE, MIX, Trace, TraceKind, play
from storm_calm.rl.nano.trace_builder import UnsuitableInstanceError
from storm_calm.sandbox import Sandbox, open_sandbox


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """Played traces as flat arrays."""

    ids: np.ndarray
    """Token ids of all traces one after another, uint16, shape (tokens,)."""
    learn: np.ndarray
    """1 where a token is learned, uint8, shape (tokens,)."""
    starts: np.ndarray
    """Where each trace begins in `ids`, and the end of the last, int64, shape (traces + 1,)."""
    right: np.ndarray
    """Whether what is learned of a trace holds no flaw, bool, shape (traces,)."""
    labels: np.ndarray
    """"family/kind" or "family/kind/hinted" of each trace, shape (traces,)."""

    def save(self, path: Path) -> None:
        """Write it as a compressed npz file."""
        np.savez_compressed(
            path, ids=self.ids, learn=self.learn, starts=self.starts, right=self.right, labels=self.labels
        )

    @classmethod
    def load(cls, path: Path) -> Corpus:
        """Read what `save` wrote."""
        with np.load(path) as data:
            return cls(**{name: data[name] for name in ("ids", "learn", "starts", "right", "labels")})

    def rates(self) -> dict[str, float]:
        """Share of each kind among the traces without a hint, and of hinted ones among all, as they came out."""
        kinds = [label.split("/")[1:] for label in self.labels]
        plain = Counter(kind[0] for kind in kinds if len(kind) == 1)
        total = sum(plain.values())
        return {kind: count / total for kind, count in plain.most_common()} | {"hinted": 1 - total / len(kinds)}


def traces(renderer: PromptRenderer, sandbox: Sandbox, *, seed: str) -> Iterator[Trace]:
    """Endless traces of the train split, the families in turn, kinds drawn by `MIX`."""
    env = SolverEnv(sandbox, renderer)
    rng = random.Random(f"traces/{seed}")
    number = int.from_bytes(random.Random(f"instances/{seed}").randbytes(6))
    for instance in instances(list(FAMILIES.values()), split="train", seed=number):
        problem = instance.problem()
        while True:
            hinted = rng.random() < HINTED_SHARE
            mix = {k: w for k, w in MIX[instance.difficulty].items() if not hinted or k in TRIGGER_OF}
            kind: TraceKind = rng.choices(list(mix), list(mix.values()))[0]
            try:
                trace = play(env, instance, problem, kind, hinted=hinted, rng=rng)
            except UnsuitableInstanceError:
                continue
            break
        yield trace


def build(
    renderer: PromptRenderer, *, count: int, seed: int, workers: int, sandbox: Callable[[], Sandbox] = open_sandbox
) -> Corpus:
    """Play `count` traces in `workers` processes, each with a sandbox of its own."""
    share = -(-count // workers)
    jobs = partial(_play_many, renderer, share, seed, sandbox)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        rows = [row for part in pool.map(jobs, range(workers)) for row in part][:count]
    lengths = [len(ids) for ids, _, _, _ in rows]
    return Corpus(
        ids=np.concatenate([ids for ids, _, _, _ in rows]),
        learn=np.concatenate([learn for _, learn, _, _ in rows]),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        right=np.array([right for _, _, right, _ in rows]),
        labels=np.array([label for _, _, _, label in rows]),
    )


Row = tuple[np.ndarray, np.ndarray, bool, str]


def _play_many(
    renderer: PromptRenderer, count: int, seed: int, sandbox: Callable[[], Sandbox], worker: int
) -> list[Row]:
    with sandbox() as opened:
        return [_row(trace) for trace in islice(traces(renderer, opened, seed=f"{seed}/{worker}"), count)]


def _row(trace: Trace) -> Row:
    transcript = trace.episode.transcript
    assert transcript.ids is not None, "the renderer gave no ids"
    learn = np.array(loss_mask(transcript, "rl"), dtype=np.uint8)
    skipped = sum(len(span.ids or ()) for span in transcript.spans[: trace.learn_from])
    learn[:skipped] = 0
    label = f"{trace.episode.problem.family}/{trace.kind}" + ("/hinted" if trace.hinted else "")
    right = trace.hinted or trace.kind not in TRIGGER_OF
    return np.array(transcript.ids, dtype=np.uint16), learn, right, label
