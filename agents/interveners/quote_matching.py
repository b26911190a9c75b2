"""Locate quoted words in a transcript.

    placed("That does not look right", episode.transcript, since=offset)     # (1234, 1258)

Models and people often copy white space wrongly. It is ignored if the quote does not match exactly.
"""

import re
from collections.abc import Collection
from itertools import groupby

from storm_calm.env.transcript import Source, Transcript


class QuoteError(ValueError):
    """A quote that does not occur, or occurs more than once."""


def placed(
    quote: str, transcript: Transcript, *, since: int, sources: Collection[Source] = ("model", "tool", "hint")
) -> tuple[int, int]:
    """Return start and end of a quote, in characters of the transcript.

    The text from the offset `since` on is searched first, then everything after the prompt.
    sources: the spans to search; a match must not cross other spans.
    Raises QuoteError if the quote does not occur, or occurs more than once.
    """
    joined = _joined_spans(transcript, sources)
    for find in (exactly, loosely):
        for earliest in (since, transcript.prompt_end):
            places = [
                (offset + start, offset + end)
                for offset, text in joined
                for start, end in find(quote, text)
                if offset + start >= earliest
            ]
            if len(places) > 1:
                raise QuoteError(f"it occurs {len(places)} times; quote more of it")
            if places:
                return places[0]
    raise QuoteError("it is not in the text; copy it exactly")


def exactly(quote: str, text: str) -> list[tuple[int, int]]:
    """Return start and end of each occurrence of the stripped `quote` in `text`."""
    quote = quote.strip()
    return [(start, start + len(quote)) for start in _occurrences(quote, text)]


def loosely(quote: str, text: str) -> list[tuple[int, int]]:
    """Return the same, ignoring all white space."""
    compact = "".join(quote.split())
    kept = [place for place, letter in enumerate(text) if not letter.isspace()]
    starts = _occurrences(compact, "".join(text.split()))
    return [(kept[start], kept[start + len(compact) - 1] + 1) for start in starts]


def _occurrences(quote: str, text: str) -> list[int]:
    """Return the offsets of all occurrences, including overlapping ones."""
    return [match.start() for match in re.finditer(f"(?={re.escape(quote)})", text)] if quote else []


def _joined_spans(transcript: Transcript, sources: Collection[Source]) -> list[tuple[int, str]]:
    """Return offset and text of each sequence of adjacent spans with these sources, without the prompt."""
    wanted = {*sources} - {"prompt"}
    joined: list[tuple[int, str]] = []
    spans = zip(transcript.starts, transcript.spans, strict=True)
    for searched, group in groupby(spans, lambda pair: pair[1].source in wanted):
        if searched:
            pairs = list(group)
            joined.append((pairs[0][0], "".join(span.text for _, span in pairs)))
    return joined
