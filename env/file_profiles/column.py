"""Measure one column of a table: type, range, missing and distinct values.

    scan = ColumnScan("cost ($/t)")
    scan.add(["3.5", "", "12"])
    scan.profile().describe()     # "number 3.5 to 12, in $/t, 1 missing"

Cells are texts. Their type is the one that pandas finds, so a single "n.k." makes a column of numbers "mixed".
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from storm_calm.env.file_profiles.cell import GROUPED, MISSING, Kind, is_sortable_date, kind_of, unit_of
from storm_calm.env.file_profiles.shown import show_number, shown

ColumnKind = Literal[Kind, "mixed", "empty"]

MAX_VALUES = 20_000
"""Distinct values that are counted and compared with other columns."""
FEW = 6
"""Distinct texts that are listed."""
_FEW_NUMBERS = 3
_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnProfile:
    """The measurements of a column."""

    name: str
    kind: ColumnKind
    rows: int
    numbers: tuple[float, float] | None = None
    """The least and the largest number."""
    dates: tuple[str, str] | None = None
    """The first and the last date."""
    missing: int = 0
    missing_texts: tuple[str, ...] = ()
    """How missing values are written, except as nothing."""
    distinct: int | None = None
    """Number of distinct values; None if it is unknown or more than `MAX_VALUES`."""
    values: tuple[str, ...] = ()
    """Distinct values in the order of the file: all if they are few, else the first."""
    unique: bool = False
    """Whether all values differ and none is missing."""
    gapless: bool = False
    """Whether they are also consecutive whole numbers."""
    remarks: tuple[str, ...] = ()
    """What a program has to take care of."""
    keys: frozenset[str] = field(default=frozenset(), repr=False)
    """All distinct values, for comparison with those of other columns; empty if they are too many or no labels."""

    @property
    def numeric(self) -> bool:
        """Whether all values are numbers."""
        return self.kind in ("whole number", "number")

    def describe(self, *, listed: bool = True) -> str:
        """Return the description of the column, without its name. listed: with texts."""
        parts = [f"{self.kind}{self._range()}"]
        if self.numeric and (unit := unit_of(self.name)):
            parts.append(f"in {shown(unit)}")
        if self.kind in ("text", "true/false", "date", "time") and self.values and self.dates is None:
            parts.append(self._texts(listed))
        elif self.unique and self.rows > 1 and self.kind != "number" and (listed or self.gapless):
            parts.append("unique, no gaps" if self.gapless else "unique")
        if self.missing and self.kind != "empty":
            written = f" (written {', '.join(map(shown, self.missing_texts))})" if self.missing_texts else ""
            parts.append(f"{self.missing} missing{written}")
        return ", ".join([*parts, *self.remarks])

    def _range(self) -> str:
        if self.dates is not None:
            return f" {shown(self.dates[0])} to {shown(self.dates[1])}"
        if self.numbers is None or not self.numeric:
            return ""
        low, high = map(show_number, self.numbers)
        if self.numbers[0] == self.numbers[1] and math.isfinite(self.numbers[0]):
            return f" {low}" if self.rows == 1 else f", always {low}"
        if self.distinct is not None and self.distinct <= _FEW_NUMBERS and 2 * self.distinct <= self.rows:
            return f", only {', '.join(shown(value) for value in sorted(self.values, key=_value))}"
        return f" {low} to {high}"

    def _texts(self, listed: bool) -> str:
        if self.distinct == 1 and self.rows > 1 and not self.missing:
            return f"always {shown(self.values[0], also_quoted=',;')}"
        few = self.distinct == len(self.values)
        count = "unique" if self.unique and self.rows > 1 else f"{self.distinct} distinct" if self.distinct else ""
        texts = ", ".join(shown(value, also_quoted=",;") for value in self.values[: None if few else _EXAMPLES])
        if not listed:
            return count or "many distinct"
        return f"{count}: {texts}" if few and count else f"{count} such as {texts}".lstrip()


def _value(number: str) -> float:
    try:
        return float(number.replace(",", "."))
    except ValueError:  # With commas between thousands.
        return float(number.replace(",", ""))


class ColumnScan:
    """The measuring of a column, part by part."""

    def __init__(self, name: str, *, decimal: str = ".") -> None:
        """decimal: the character before the decimals of numbers."""
        self._name = name
        self._comma = decimal == ","
        self._rows = self._missing = 0
        self._missing_texts: set[str] = set()
        self._distinct: dict[str, None] | None = {}
        self._first: list[str] = []
        self._repeats = False
        self._kinds: Counter[Kind] = Counter()
        self._odd: list[str] = []  # The first cells that are not numbers.
        self._numbers: tuple[float, float] | None = None
        self._dates: tuple[str, str] | None = None
        self._sortable = True
        self._zeros = False
        self.grouped = False
        """Whether numbers have commas between thousands."""

    def add(self, cells: Sequence[str]) -> None:
        """Measure more cells of the column."""
        self._rows += len(cells)
        found = dict.fromkeys(cells)
        present = len(cells)
        for text in MISSING.intersection(found):
            present -= cells.count(text)
            self._missing_texts.add(text)
            del found[text]
        self._missing += len(cells) - present
        if self._distinct is not None:
            known = self._distinct
            new = [text for text in found if text not in known]
            self._repeats |= len(new) < present
            known.update(dict.fromkeys(new))
            # Whether labels are unique is worth the memory, whether measurements are is not.
            if len(known) > MAX_VALUES and (self._repeats or self._kinds["number"]):
                self._first = list(known)[:FEW]
                self._distinct = None
        else:
            new = list(found)
        if new:
            self._measure(new)

    def _measure(self, texts: list[str]) -> None:
        plain = [text.replace(",", ".") for text in texts] if self._comma else texts
        joined = "".join(plain)
        # float() also accepts other digits, underscores and "nan".
        if joined.isascii() and not any(char in joined for char in "_nN"):
            try:
                numbers = list(map(float, plain))
            except ValueError:
                pass
            else:
                whole = not any(char in joined for char in ".eE")
                self._zeros |= whole and any(text[0] == "0" and len(text) > 1 for text in plain)
                self._kinds["whole number" if whole else "number"] += len(plain)
                self._widen(numbers)
                return
        for text, number in zip(texts, plain, strict=True):
            kind = kind_of(number)
            self._kinds[kind] += 1
            if kind in ("whole number", "number"):
                self.grouped |= GROUPED.fullmatch(number) is not None
                self._widen([float(number.replace(",", ""))])
                continue
            if len(self._odd) < FEW:
                self._odd.append(text)
            if kind == "date":
                self._sortable &= is_sortable_date(text)
                first, last = self._dates or (text, text)
                self._dates = (min(first, text), max(last, text))

    def _widen(self, numbers: list[float]) -> None:
        low, high = min(numbers), max(numbers)
        if self._numbers is not None:
            low, high = min(low, self._numbers[0]), max(high, self._numbers[1])
        self._numbers = (low, high)

    def profile(self, *, keys: bool = True) -> ColumnProfile:
        """Return what was measured. keys: with `ColumnProfile.keys`."""
        kind, remarks = self._kind()
        distinct = len(self._distinct) if self._distinct is not None else None
        first = list(self._distinct or self._first)
        unique = distinct is not None and not self._repeats and not self._missing and self._rows > 0
        gapless = False
        if unique and kind == "whole number" and self._numbers is not None:
            gapless = self._rows > 1 and self._numbers[1] - self._numbers[0] == self._rows - 1
        labels = keys and kind in ("whole number", "text", "date", "mixed") and len(first) <= MAX_VALUES
        return ColumnProfile(
            name=self._name,
            kind=kind,
            rows=self._rows,
            numbers=self._numbers,
            dates=self._dates if kind == "date" and self._sortable else None,
            missing=self._missing,
            missing_texts=tuple(sorted(self._missing_texts - {""})),
            distinct=distinct if distinct is None or distinct <= MAX_VALUES else None,
            values=tuple(first[:FEW]),
            unique=unique,
            gapless=gapless,
            remarks=tuple(remarks),
            keys=frozenset(first) if labels else frozenset(),
        )

    def _kind(self) -> tuple[ColumnKind, list[str]]:
        """Return the kind of the column, and remarks."""
        kinds = set(self._kinds)
        numbers = self._kinds["whole number"] + self._kinds["number"]
        if not kinds:
            return "empty", []
        if kinds <= {"whole number", "number"}:
            remarks = ["some have leading zeros"] if self._zeros and kinds == {"whole number"} else []
            return ("whole number" if kinds == {"whole number"} else "number"), remarks
        if len(kinds) == 1:
            return kinds.pop(), []
        if numbers < sum(self._kinds.values()) / 2:
            return "text", ["some are numbers"] if numbers else []
        others = ", ".join(shown(text, also_quoted=",;") for text in self._odd[:_EXAMPLES])
        others += ", ..." if len(self._odd) > _EXAMPLES else ""
        low, high = map(show_number, self._numbers or (0.0, 0.0))
        return "mixed", [f"numbers {low} to {high} and texts {others}"]
