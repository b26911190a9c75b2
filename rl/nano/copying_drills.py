"""Copying drills: a sentence said again, or its numbers as a list, nothing else.

Copying is the skill that everything else waits for, and a trace holds few tokens of it among many that are always the
same. A drill is short and all copying: saying a sentence again makes the attention heads that copy, lists teach them to
leave out the words between numbers, and the traces then find both there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.reasoner import PromptRenderer
from storm_calm.rl.nano.nano_tokenizer import IM_END
from storm_calm.rl.nano.pretraining_corpus import Corpus

NOUNS = ("chairs", "kg", "hours", "units", "tons", "boxes", "costs", "workers", "liters", "plants", "jobs", "meters")
VERBATIM = 0.5
"""Share of drills that say the sentence again."""

JOINTS = (" and ", ", ", "; ", ". The ", " costs ", " of ", " needs ", " at most ", " per unit, ", " in ", " earns ")


def drills(seed: int) -> Iterator[tuple[str, str]]:
    """Endless pairs (sentence with numbers, what to write: the sentence, or its numbers as a list)."""
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
    """`count` drills as a corpus: the sentence is the question, the copy is learned."""
    ids: list[np.ndarray] = []
    learn: list[np.ndarray] = []
    for _, (sentence, copy) in zip(range(count), drills(seed), strict=False):
        prompt = renderer.encode_marked(renderer.render([{"role": "user", "content": sentence}]))
        answer = renderer.encode_marked(f"{copy}\n</think>{IM_END}")
        assert prompt is not None, "a drill needs a renderer that gives ids"
        assert answer is not None, "a drill needs a renderer that gives ids"
        ids.append(np.array([*prompt[0], *answer[0]], dtype=np.uint16))
        learn.append(np.array([0] * len(prompt[0]) + [1] * len(answer[0]), dtype=np.uint8))
    return Corpus(
        ids=np.concatenate(ids),
        learn=np.concatenate(learn),
        starts=np.concatenate([[0], np.cumsum([len(row) for row in ids])]).astype(np.int64),
        right=np.ones(count, dtype=bool),
        labels=np.full(count, "drill/drill"),
    )


def _number(rng: random.Random) -> int:
    kind = rng.random()
    if kind < 0.75:
        return rng.randint(2, 99)
    return rng.randint(100, 999) if kind < 0.92 else rng.randint(1, 90) * 1000
