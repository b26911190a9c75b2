"""Put untrusted text on one short line, for messages and prompts."""

MAX_CHARS = 200


def one_line(text: str, limit: int = MAX_CHARS) -> str:
    """Return the text without line breaks and control characters, cut after `limit` characters."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * limit]).split())
    return plain if len(plain) <= limit else f"{plain[:limit]}..."
