"""The words of a question without its notation, to find the same question in other data."""

import re
import unicodedata


def words(text: str) -> tuple[str, ...]:
    """Return the words and numbers of a text: case folded, without accents and punctuation, 1,200.50 as 1200.5.

    A number is a sequence of digits with at most one decimal point, so "$5" and "5%" are 5.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if not unicodedata.combining(c))
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", plain)
    found = re.findall(r"\d+(?:\.\d+)?|[^\W\d_]+", plain)
    return tuple(token.rstrip("0").rstrip(".") if "." in token else token for token in found)
