"""Loss masks of a transcript."""

from typing import Literal

from storm_calm.env.transcript import Transcript


def loss_mask(transcript: Transcript, kind: Literal["rl", "sft"], *, hints: bool = True) -> tuple[int, ...]:
    """Return 1 for each token in the loss and 0 for all others, shape (tokens,).

    Prompt and tool output are never in the loss. "rl": tokens sampled by the model, including end-of-turn tokens.
    "sft": the same and, with `hints`, hint tokens: hints are in the reasoner's own voice, so that it learns to produce
    them itself (arXiv 2510.04204). Raises ValueError if a span has no ids.
    """
    if kind not in ("rl", "sft"):
        raise ValueError(f'mask {kind!r} is neither "rl" nor "sft"')
    learned = {"model", "hint"} if kind == "sft" and hints else {"model"}
    mask: list[int] = []
    for span in transcript.spans:
        if span.ids is None:
            raise ValueError(f"a {span.source} span has no token ids; use a reasoner that returns token ids")
        mask.extend([int(span.source in learned)] * len(span.ids))
    return tuple(mask)
