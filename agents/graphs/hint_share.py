"""The share of hints in a trajectory, and the limit for golden ones."""

from storm_calm.env import Episode

MAX_HINT_SHARE = 0.15
"""The default limit of `hint_share` for golden trajectories."""


def hint_share(episode: Episode) -> float:
    """Return the share of hint tokens in hint and model tokens, in [0, 1]; prompt and tool output do not count."""
    hints = episode.usage.hint_tokens
    return hints / (hints + episode.usage.model_tokens) if hints else 0.0


def hint_positions(episode: Episode) -> tuple[float, ...]:
    """Return the position of each hint of the final transcript in the text after the prompt, in [0, 1]."""
    transcript = episode.transcript
    first = transcript.prompt_end
    length = max(1, len(transcript.text) - first)
    spans = zip(transcript.starts, transcript.spans, strict=True)
    return tuple((start - first) / length for start, span in spans if span.source == "hint")
