"""Lengthen the hints of a trajectory with more advice, to see how many hint tokens training data can have.

The advice are other hints that the nano model was pretrained to follow, so their words are not new to it. A longer hint
is encoded on its own, like every hint in the environment.
"""

import random
from collections.abc import Callable
from dataclasses import replace

from storm_calm.agents.graphs.hint_share import hint_share
from storm_calm.agents.interveners.hints import HINTS
from storm_calm.env import Episode, Span, Transcript
from storm_calm.env.reasoner import Encoding

ADVICE = tuple(wording for wordings in HINTS.values() for wording in wordings)


def lengthen_hints(episode: Episode, share: float, *, seed: int, encode: Callable[[str], Encoding]) -> Episode:
    """Return the trajectory with its hints lengthened by whole sentences, as close to a hint share as possible.


    share: of hint and model tokens, in [0, 1). seed: with the problem's id it determines the advice.
    encode: that of the model's tokenizer.
    Raises ValueError for a share of 1 or more, and for a trajectory without hints.
    """
    if not 0 <= share < 1:
        raise ValueError(f"a hint share of {share:g} cannot be reached; give one from 0 to below 1")
    places = [place for place, span in enumerate(episode.transcript.spans) if span.source == "hint"]
    if not places:
        raise ValueError(f"trajectory {episode.problem.id!r} has no hint that could be lengthened")
    drawn = random.Random(f"{seed}:{episode.problem.id}")
    left: list[str] = []
    number = 0
    while hint_share(episode) < share:
        left = left or drawn.sample(ADVICE, len(ADVICE))
        longer = _with_advice(episode, places[number % len(places)], left.pop(), encode)
        if hint_share(longer) - share > share - hint_share(episode):
            break
        episode = longer
        number += 1
    return episode


def _with_advice(episode: Episode, place: int, advice: str, encode: Callable[[str], Encoding]) -> Episode:
    """Return the trajectory with one more sentence of advice at the end of the hint in span `place`."""
    spans = list(episode.transcript.spans)
    text = f"{spans[place].text.rstrip()} {advice}\n"
    ids, ends = encode(text)
    spans[place] = Span(source="hint", text=text, ids=ids, ends=ends)
    transcript = Transcript(spans=tuple(spans))
    usage = replace(episode.usage, hint_tokens=transcript.count("hint"))
    return replace(episode, transcript=transcript, usage=usage)
