"""The limits in the data of a problem: capacities, budgets and demands that a question can name and a task can change.

    SUPPLY = Limit(table="plants", field="supply", words="the capacity of plant {id}", unit="t")
    [first, *others] = limits_in((SUPPLY,), data)
    first.words(data)                   # "the capacity of plant PL-012"
    first.changed(data, 250)            # Data with another number there.

Data are never changed in place.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from storm_calm.env.problems.families.scaled.tables import Data, Parameters, Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """A kind of limit: a number in the rows of a table, or a scalar."""

    field: str
    """The field of the rows, or the key of the scalar."""
    table: str = ""
    """The key of the rows; "" for a scalar."""
    words: str
    """Names it, with fields of the row in braces: "the capacity of plant {id}"."""
    unit: str
    """The unit of the number: "t"."""
    sense: Literal["at most", "at least"] = "at most"
    """Whether less of it (a capacity) or more of it (a demand) leaves fewer plans."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataLimit:
    """One limit in the data of a problem."""

    kind: Limit
    row: int = -1
    """The index of its row; -1 for a scalar."""

    def value(self, data: Data) -> float:
        """Return the number."""
        return data[self.kind.field] if self.row < 0 else data[self.kind.table][self.row][self.kind.field]

    def changed(self, data: Data, value: float) -> Data:
        """Return data with this number instead. The other rows are shared."""
        if self.row < 0:
            return {**data, self.kind.field: value}
        rows = list(data[self.kind.table])
        rows[self.row] = {**rows[self.row], self.kind.field: value}
        return {**data, self.kind.table: rows}

    def stricter(self, data: Data, share: float) -> float:
        """Return a number that leaves fewer plans: a share less or, of a limit from below, a share more."""
        value = self.value(data)
        factor = 1 - share if self.kind.sense == "at most" else 1 + share
        decimals = len(str(value).partition(".")[2])
        return round(value * factor, decimals) if decimals else round(value * factor)

    def words(self, data: Data) -> str:
        """Return its name, without the number."""
        row = {} if self.row < 0 else data[self.kind.table][self.row]
        return self.kind.words.format_map(row)

    def shown(self, value: float) -> str:
        """Return a number with the unit."""
        return f"{value:.12g} {self.kind.unit}"

    def place(self, tables: Iterable[Table | Parameters]) -> tuple[str, str]:
        """Return the file of the number, and the name of its column or parameter."""
        for table in tables:
            parts = table.columns if isinstance(table, Table) else table.scalars
            key = table.key if isinstance(table, Table) else ""
            for part in parts:
                if key == self.kind.table and part.field == self.kind.field:
                    return table.file, part.name
        raise KeyError(f"no table has {self.kind.table} {self.kind.field}")


def limits_in(kinds: Iterable[Limit], data: Data) -> list[DataLimit]:
    """Return all limits of these kinds that the data have."""
    found = []
    for kind in kinds:
        if not kind.table:
            found += [DataLimit(kind=kind)] if kind.field in data else []
        else:
            rows = enumerate(data.get(kind.table, ()))
            found += [DataLimit(kind=kind, row=number) for number, row in rows if kind.field in row]
    return found


def in_turn(rng: random.Random, limits: Sequence[DataLimit]) -> list[DataLimit]:
    """Return the limits in a random order that takes one of each kind in turn, although some kinds have few."""
    kinds = list(dict.fromkeys(one.kind for one in limits))
    groups = [[one for one in limits if one.kind == kind] for kind in rng.sample(kinds, len(kinds))]
    drawn = zip_longest(*(rng.sample(group, len(group)) for group in groups))
    return [one for turn in drawn for one in turn if one is not None]
