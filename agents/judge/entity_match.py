"""Find required entities in an explanation, with the results of the published scorer of OR-Space Explain.

    has_entity("The dual of `Crew_Y1` is −5.0.", "crew_y1")         # True
    has_entity("Only II is open.", "I")                               # False

Both texts are normalized first: Unicode's compatible form (NFKC), plain quotes, dashes and arrows, no backticks, no
thousands separators, single spaces, no case. Then an entity is in the explanation if

- it is a name, and the characters around it are not part of a name
- or it is another text, and a part of the explanation, also without spaces and quotes and with round brackets
- or it is a number, and close to a number of the explanation
"""

import math
import re
import unicodedata

_PLAIN = str.maketrans({
    "“": '"', "”": '"', "‘": "'", "’": "'", "−": "-", "–": "-", "—": "-",
    "→": "->", "⇒": "->", "←": "<-", "⇐": "<-", "`": "",
})  # fmt: skip
_ROUND = str.maketrans({"[": "(", "]": ")", '"': "", "'": ""})
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NAME = re.compile(r"[a-z0-9_]+")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_NUMBER_IN_TEXT = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""The largest error of a number."""


def has_entity(explanation: str, entity: str) -> bool:
    """Return whether an explanation has an entity."""
    text, wanted = normalized(explanation), normalized(entity)
    if _NAME.fullmatch(wanted):
        found = re.search(rf"(?<![a-z0-9_]){re.escape(wanted)}(?![a-z0-9_])", text) is not None
    else:
        found = bool(wanted) and (wanted in text or _compact_in(wanted, text))
    return found or _has_number(explanation, wanted)


def normalized(text: str) -> str:
    """Return a text as it is compared."""
    plain = unicodedata.normalize("NFKC", text).translate(_PLAIN)
    return " ".join(_THOUSANDS.sub("", plain).split()).casefold()


def _compact_in(wanted: str, text: str) -> bool:
    return bool(compact := _compact(wanted)) and compact in _compact(text)


def _compact(normal: str) -> str:
    """Return a normalized text without spaces and quotes, and with round brackets for square ones."""
    return "".join(normal.translate(_ROUND).split())


def _has_number(explanation: str, wanted: str) -> bool:
    """Return whether the explanation has a number close to an entity that is one. wanted: normalized."""
    wanted = wanted.replace(",", "")
    if not _NUMBER.fullmatch(wanted) or not math.isfinite(number := float(wanted)):
        return False
    # As in the published scorer, numbers are read from the explanation as it is written.
    values = (float(found.replace(",", "")) for found in _NUMBER_IN_TEXT.findall(explanation))
    return any(math.isclose(value, number, rel_tol=RELATIVE, abs_tol=ABSOLUTE) for value in values)
