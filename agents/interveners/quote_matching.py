"""Finding words in a run again that somebody quoted from it.

    placed("That does not look right", episode.transcript, since=offset)     # (1234, 1258)

Who quotes copies words and not line breaks, so white space does not count where the words do not stand there exactly.
"""

from __future__ import annotations

from collections.abc import Collection

from storm_calm.env.transcript import Source, Transcript


class QuoteError(ValueError):
    """A quote that is not there, or there more than once."""


def placed(
    quote: str, transcript: Transcript, *, since: int, sources: Collection[Source] = ("model", "tool", "hint")
) -> tuple[int, int]:
    """Where a quote begins and ends, in characters of the transcript.

    It is looked for from the offset `since` on, then in all that follows the prompt.
    sources: whose text counts; a quote does not reach from such text over other text.
    Raises QuoteError where it is not there, and where it is more than once.
    """
    stretches = _stretches(transcript, sources)
    for find in (exactly, loosely):
        for start in (since, transcript.prompt_end):
            places = [
                (begin + first, begin + last)
                for begin, text in stretches
                for first, last in find(quote, text)
                if begin + first >= start
            ]
            if len(places) > 1:
                raise QuoteError(f"it stands there {len(places)} times; quote more of it")
            if places:
                return places[0]
    raise QuoteError("it does not stand there; copy it from the text as it is")


def exactly(quote: str, text: str) -> list[tuple[int, int]]:
    """Where `quote` stands in `text` as it is but for white space around it, begin and end of each."""
    quote = quote.strip()
    return [(first, first + len(quote)) for first in _found(quote, text)]


def loosely(quote: str, text: str) -> list[tuple[int, int]]:
    """The same without regard to any white space."""
    letters = "".join(quote.split())
    kept = [place for place, letter in enumerate(text) if not letter.isspace()]
    return [(kept[first], kept[first + len(letters) - 1] + 1) for first in _found(letters, "".join(text.split()))]


def _found(words: str, text: str) -> list[int]:
    """Every place of `words`, those that overlap included."""
    places: list[int] = []
    place = text.find(words) if words else -1
    while place >= 0:
        places.append(place)
        place = text.find(words, place + 1)
    return places


def _stretches(transcript: Transcript, sources: Collection[Source]) -> list[tuple[int, str]]:
    """Offset and text of each stretch of these sources after the prompt."""
    stretches: list[tuple[int, str]] = []
    joined = False
    for begin, span in zip(transcript.starts, transcript.spans, strict=True):
        counts = span.source in sources and span.source != "prompt"
        if counts and joined:
            first, text = stretches.pop()
            stretches.append((first, text + span.text))
        elif counts:
            stretches.append((begin, span.text))
        joined = counts
    return stretches
