"""Find references among tables: columns whose values are those of a unique column, the key of another table.

A column of text refers to a key that has all its values. Small whole numbers occur in many columns, so their names must
agree too: "src_period_id" with "period_id", or "depot" with "id" of depots.csv.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from storm_calm.env.file_profiles.column import ColumnProfile
from storm_calm.env.file_profiles.shown import shown
from storm_calm.env.file_profiles.table import TableProfile

_MAX_KEYS = 200
_MAX_COMPARED = 10_000_000  # Values that are compared: files of many long keys would take minutes.
_EQUAL = 5
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_]+|\d+")
_LAST_NUMBER = re.compile(r"\d{1,9}$")
_GENERAL = frozenset(("id", "ids", "no", "nr", "num", "number", "code", "key", "index", "idx", "name", "label"))
_ENDS = frozenset(
    (
        *("from", "to", "origin", "destination", "source", "target", "src", "dst", "head", "tail"),
        *("predecessor", "successor", "parent", "child", "i", "j", "u", "v", "id1", "id2", "node1", "node2"),
    )
)
"""Words of columns with the ends of an edge, which are rows of another table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A table, and how the description names it."""

    name: str
    """The name of the file, and of the sheet if it is one of several."""
    stem: str
    """The file name without its suffix: often the word for a row, as in depots.csv."""
    table: TableProfile


@dataclass(frozen=True, kw_only=True, slots=True)
class _Key:
    place: Place
    column: ColumnProfile
    position: tuple[int, int]
    """Numbers of the table and the column."""
    words: frozenset[str]

    def mentioned(self, words: frozenset[str]) -> bool:
        """Return whether another name has the words of this one."""
        return bool(self.words) and self.words <= words


class Keys:
    """The unique columns of all tables."""

    def __init__(self, places: Sequence[Place]) -> None:
        keys = [
            _Key(
                place=place,
                column=column,
                position=(number, index),
                words=(_words(column.name) or _words(place.stem)) if place.table.named else frozenset(),
            )
            for number, place in enumerate(places)
            for index, column in enumerate(place.table.columns)
            if column.unique and column.rows > 1 and column.keys
        ]
        self._keys = keys[:_MAX_KEYS]
        self._left = _MAX_COMPARED
        texts = (key.column.keys for key in self._keys if key.column.kind == "text")
        self.labels: frozenset[str] = frozenset().union(*texts)
        """The texts that are keys: columns of such names are those of a matrix."""

    def of_column(self, column: ColumnProfile, position: tuple[int, int], *, named: bool = True) -> str:
        """Return what the values of a column refer to, as in "values of depots.csv id"; empty if unknown.

        position: numbers of the table and the column. named: whether its name is from the file.
        """
        own = _words(column.name)
        ends = column.name.lower() in _ENDS or not own.isdisjoint(_ENDS)
        best: tuple[bool, int, tuple[int, int]] | None = None
        text = ""
        for key in self._keys:
            more = len(key.column.keys) - len(column.keys)
            if not column.keys or more < 0 or key.position == position or key.column.kind != column.kind:
                continue
            # Of two keys with the same values, the later one refers to the earlier one.
            if more == 0 and column.unique and key.position > position:
                continue
            same_table = key.position[0] == position[0]
            related = key.mentioned(own) or (ends and more <= len(column.keys) and not (same_table and column.unique))
            labels = column.kind != "whole number" and len(column.keys) > 1
            # Without names, only equal sets of numbers are more than chance.
            equal = not (named and key.place.table.named) and more == 0 and len(column.keys) >= _EQUAL
            rank = (related, -more, (-key.position[0], -key.position[1]))
            if (related or labels or equal) and (best is None or rank > best) and self._has_all(key, column):
                best = rank
                place = "" if same_table else f"{key.place.name} "
                text = f"{'the ' if more == 0 else ''}values of {place}{shown(key.column.name)}"
        return text

    def _has_all(self, key: _Key, column: ColumnProfile) -> bool:
        values = key.column.keys
        if self._left < len(column.keys) or not all(value in values for value in column.values):
            return False
        self._left -= len(column.keys)
        return column.keys <= values

    def of_names(self, names: Sequence[str], table: int) -> str:
        """Return what the names of a series of columns refer to, with the words before it; empty if unknown."""
        numbers = [found[0] for name in names if (found := _LAST_NUMBER.search(name))]
        for labels in (names, numbers):
            values = frozenset(labels)
            for key in self._keys:
                equal = len(key.column.keys) == len(values) == len(names)
                named = labels is numbers and key.mentioned(_words(names[0]))
                if (equal or named) and len(values) == len(names) and values <= key.column.keys:
                    place = "" if key.position[0] == table else f"{key.place.name} "
                    part = "column names" if labels is names else "numbers in the names"
                    return f"{part}: {'the ' if equal else ''}values of {place}{shown(key.column.name)}"
        return ""


def _words(name: str) -> frozenset[str]:
    """Return the words of a name in the singular, without those that any key may have."""
    words = (word.lower() for word in _WORD.findall(name[:200]))
    return frozenset(_singular(word) for word in words if word not in _GENERAL and len(word) > 1 and not word.isdigit())


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word
