"""The loss masks of a transcript: the tokens that training learns from."""

from __future__ import annotations

from typing import Literal

from storm_calm.env.transcript import Transcript


def loss_mask(transcript: Transcript, kind: Literal["rl", "sft"], *, hints: bool = True) -> tuple[int, ...]:
    """Return 1 for each token that is learned from and 0 for the others, shape (tokens,).

    Prompt and tool output are never learned from. "rl": 1 on what the model sampled, end-of-turn tokens included.
    "sft": the same and, with `hints`, on the hints, which are written in the reasoner's own voice so that it learns to
    think of them itself (arXiv 2510.04204). Raises ValueError if a span has no ids.
    """
    if kind not in ("rl", "sft"):
        raise ValueError(f'mask {kind!r} is neither "rl" nor "sft"')
    learned = {"model", "hint"} if kind == "sft" and hints else {"model"}
    mask: list[int] = []
    for span in transcript.spans:
        if span.ids is None:
            raise ValueError(f"a {span.source} span has no token ids; masks need a reasoner that gives them")
        mask.extend([int(span.source in learned)] * len(span.ids))
    return tuple(mask)
