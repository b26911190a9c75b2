"""How a spec names its reasoner: the prefixes, and lists of servers."""

CHAT_PREFIX = "chat:"
"""Prefix of the URL of an endpoint that has only chat completions."""
REPLAY_PREFIX = "replay:"
"""Prefix of a folder with reference programs."""
URL_PREFIXES = ("http://", "https://")


def is_server(spec: str) -> bool:
    """Return whether a spec names servers."""
    return spec.startswith((*URL_PREFIXES, CHAT_PREFIX))


def split_urls(spec: str) -> tuple[str, ...]:
    """Return the specs of single servers in a spec with commas. "chat:" before the first one counts for all."""
    specs = [part.strip() for part in spec.split(",") if part.strip()]
    if specs and specs[0].startswith(CHAT_PREFIX):
        specs = [f"{CHAT_PREFIX}{one.removeprefix(CHAT_PREFIX)}" for one in specs]
    return tuple(dict.fromkeys(specs))
