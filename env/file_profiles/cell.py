"""What the text of a cell is: a number, a date, missing, or other text."""

import re
from typing import Literal

Kind = Literal["whole number", "number", "true/false", "date", "time", "text"]

MISSING = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
"""The texts that pandas reads as missing values."""
GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
"""A number with commas between thousands."""
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
DECIMAL_POINT = re.compile(r"[+-]?\d+\.\d+", re.ASCII)

_LONGEST = 100  # Characters of a number, date or time.
_NUMBER = re.compile(r"\s*[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?)\s*", re.IGNORECASE | re.ASCII)
_WHOLE = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
_DATE = re.compile(
    r"\d{4}-\d\d?-\d\d?(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|\d{1,2}([./-])\d{1,2}\1\d{4}|\d{4}([/.])\d{1,2}\2\d{1,2}",
    re.ASCII,
)
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{1,2}:\d\d(?::\d\d)?", re.ASCII)

_UNITS = (
    "kg|tons?|tonnes?|km|miles?|meters?|metres?|cm|mm|m2|m3|ft|sqft|hours?|hrs?|minutes?|mins|seconds?|secs?|days?"
    "|weeks?|months?|years?|usd|eur|gbp|cny|rmb|dollars?|euros?|yuan|cents?|pct|percent|percentage|kwh|mwh|kw|mw|gwh"
    "|liters?|litres?|gallons?|barrels?|units?|pieces|pcs|boxes|pallets?|containers?|pairs?|gb|mb|tb"
)
_BRACKETS = re.compile(r"[(\[]([^()\[\]]{1,30})[)\]]\s*$")
_SUFFIX = re.compile(
    rf"[_\s]((?:(?:thousand|million)[_\s])?(?:{_UNITS})(?:[_\s]per[_\s]\w{{1,20}})?)$", re.IGNORECASE | re.ASCII
)


def kind_of(text: str) -> Kind:
    """Return the kind of a cell that is not missing."""
    if len(text) > _LONGEST:
        return "text"
    if _NUMBER.fullmatch(text):
        return "whole number" if _WHOLE.fullmatch(text) else "number"
    if GROUPED.fullmatch(text):
        return "number"
    if text in ("True", "TRUE", "true", "False", "FALSE", "false"):
        return "true/false"
    if _DATE.fullmatch(text):
        return "date"
    return "time" if _TIME.fullmatch(text) else "text"


def is_number(text: str) -> bool:
    """Return whether a cell is a number."""
    return kind_of(text) in ("whole number", "number")


def is_sortable_date(text: str) -> bool:
    """Return whether a date begins with year, month and day, so that texts sort as dates do."""
    return _ISO_DATE.match(text) is not None


def unit_of(name: str) -> str:
    """Return the unit in the name of a column, as in "cost ($/t)" and "load_kg"; empty without one."""
    if found := _BRACKETS.search(name):
        return found[1].strip()
    found = _SUFFIX.search(name)
    return found[1].replace("_", " ") if found else ""
