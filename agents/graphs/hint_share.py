"""The share of a trajectory that is hints, and the limit above which it is not golden."""

from __future__ import annotations

from storm_calm.env import Episode

MAX_HINT_SHARE = 0.15
"""Hint tokens as a part of hint and model tokens together above which a trajectory is disqualified, by default."""


def hint_share(episode: Episode) -> float:
    """Hint tokens as a part of hint and model tokens together, in [0, 1]; prompt and tool output do not count."""
    hints = episode.usage.hint_tokens
    return hints / (hints + episode.usage.model_tokens) if hints else 0.0


def hint_positions(episode: Episode) -> tuple[float, ...]:
    """Where each hint of the final transcript stands, as a share of the text after the prompt, in [0, 1]."""
    transcript = episode.transcript
    first = transcript.prompt_end
    length = max(1, len(transcript.text) - first)
    spans = zip(transcript.starts, transcript.spans, strict=True)
    return tuple((start - first) / length for start, span in spans if span.source == "hint")
