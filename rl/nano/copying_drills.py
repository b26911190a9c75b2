"""Copying drills: repeat a sentence, or list its numbers.

Everything else depends on copying, but traces have few copied tokens among many that never change. A drill consists of
copying only: repeating sentences forms the attention heads that copy, and lists teach them to skip words.
"""

import random
from collections.abc import Iterator

import numpy as np

from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.reasoner import PromptRenderer
from storm_calm.rl.nano.nano_tokenizer import IM_END
from storm_calm.rl.nano.pretraining_corpus import Corpus, pack

NOUNS = ("chairs", "kg", "hours", "units", "tons", "boxes", "costs", "workers", "liters", "plants", "jobs", "meters")
VERBATIM = 0.5
"""Share of drills that repeat the sentence."""

JOINTS = (" and ", ", ", "; ", ". The ", " costs ", " of ", " needs ", " at most ", " per unit, ", " in ", " earns ")


def drills(seed: int) -> Iterator[tuple[str, str]]:
    """Yield endless pairs of a sentence with numbers and its copy: the sentence, or its numbers as a list."""
    rng = random.Random(f"drills/{seed}")
    while True:
        say = Wording(rng)
        numbers = [_number(rng) for _ in range(rng.randint(3, 14))]
        words: list[str] = []
        for number in numbers:
            written = say.money(number) if rng.random() < 0.25 else say.number(number)
            words += [rng.choice(JOINTS), written, f" {rng.choice(NOUNS)}" if rng.random() < 0.5 else ""]
        sentence = "".join(words).strip(" ,;.") + "."
        yield sentence, sentence if rng.random() < VERBATIM else str(numbers)


def drill_corpus(renderer: PromptRenderer, *, count: int, seed: int) -> Corpus:
    """Return `count` drills as a corpus. The sentence is the question; only its copy has a loss."""
    ids: list[np.ndarray] = []
    learn: list[np.ndarray] = []
    for _, (sentence, copy) in zip(range(count), drills(seed), strict=False):
        prompt = renderer.encode_marked(renderer.render([{"role": "user", "content": sentence}]))
        answer = renderer.encode_marked(f"{copy}\n</think>{IM_END}")
        assert prompt is not None and answer is not None, "drills need a renderer with a tokenizer"  # noqa: PT018
        ids.append(np.array([*prompt[0], *answer[0]], dtype=np.uint16))
        learn.append(np.array([0] * len(prompt[0]) + [1] * len(answer[0]), dtype=np.uint8))
    return pack(ids, learn, right=np.ones(count, dtype=bool), labels=np.full(count, "drill/drill"))


def _number(rng: random.Random) -> int:
    kind = rng.random()
    if kind < 0.75:
        return rng.randint(2, 99)
    return rng.randint(100, 999) if kind < 0.92 else rng.randint(1, 90) * 1000
