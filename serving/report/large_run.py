"""A large run for the page: parts of its list, figures and trajectories, read from the index of its store.

    with LargeRun(open_run(Path("runs/million"))) as large:
        large.window({"family": "knapsack"}, first=0, count=100)

Memory does not depend on the number of records.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.serving.report.index_figures import index_figures
from storm_calm.serving.report.index_query import condition, order_of, page_row
from storm_calm.serving.report.report_entries import Entry
from storm_calm.serving.report.run_files import RunFiles


class LargeRun:
    """The records of a run in parts. Thread-safe."""

    def __init__(self, run: RunFiles) -> None:
        """Open the store. Raises ValueError for an invalid record."""
        assert run.records is not None, "a training run has no store"
        self._run, self._columns = run, run.index_columns
        self._lock = threading.Lock()
        self._store = RecordStore.open(run.path, run.records)
        self._figures: tuple[int, dict[str, Any]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()

    @property
    def store(self) -> RecordStore:
        return self._store

    def refresh(self) -> None:
        """Read what was written since."""
        with self._lock:
            self._store.refresh()

    def total(self) -> int:
        with self._lock:
            return len(self._store)

    def figures(self) -> dict[str, Any]:
        """Return the figures, counted again only if there are more records."""
        total = self.total()
        if self._figures is None or self._figures[0] != total:
            # A connection of its own: counting takes seconds, and the lists must not wait for it.
            assert self._run.records is not None
            with RecordStore.open(self._run.path, self._run.records) as store:
                self._figures = total, index_figures(store, self._columns)
        return self._figures[1]

    def counted(self) -> dict[str, Any] | None:
        """Return the figures of the last count, or None before the first."""
        return None if self._figures is None else self._figures[1]

    def window(self, filters: Mapping[str, str], *, first: int, count: int) -> dict[str, Any]:
        """Return rows `first` to `first + count - 1` that match, and the number of all that match."""
        where, parameters = condition(self._columns, filters)
        order = order_of(self._columns, filters.get("sort", ""))
        with self._lock:
            total = self._store.count(where, parameters)
            order = f"{order}, position" if order else "position"
            # Choosing the rows reads only listed columns; their texts are read afterwards.
            chosen = self._store.rows(
                ("number",), where=where, parameters=parameters, order=order, limit=count, offset=first
            )
            numbers = [number for (number,) in chosen]
            texts = {number: values for number, *values in self._rows_of(numbers)}
        rows = [page_row(texts[number], first + place) for place, number in enumerate(numbers) if number in texts]
        return {"rows": rows, "first": first, "total": total}

    def _rows_of(self, numbers: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        where = f"number IN ({', '.join('?' * len(numbers))})"
        return self._store.rows(("number", *self._columns.row), where=where, parameters=numbers, order="")

    def around(self, key: str, filters: Mapping[str, str], *, count: int) -> dict[str, Any]:
        """Return the rows around one, and its place among those that match; among all, if it does not match."""
        place = self._place(key, filters)
        if place is None and any(name != "sort" for name in filters):
            filters = {}
            place = self._place(key, filters)
        if place is None:
            return {"rows": [], "first": 0, "total": self.total(), "place": -1}
        return {**self.window(filters, first=max(0, place - count // 2), count=count), "place": place}

    def _place(self, key: str, filters: Mapping[str, str]) -> int | None:
        where, parameters = condition(self._columns, filters)
        order = order_of(self._columns, filters.get("sort", "")) or "position"
        both = f"{where} AND key = ?" if where else "key = ?"
        with self._lock:
            own = next(self._store.rows((order, "position"), where=both, parameters=(*parameters, key), order=""), None)
            if own is None:
                return None
            before = f"(({order}) < ? OR (({order}) = ? AND position < ?))"
            together = f"{where} AND {before}" if where else before
            return self._store.count(together, (*parameters, own[0], *own))

    def first_of_each_outcome(self, count: int) -> Iterator[Entry]:
        """Yield the first records of each outcome, in the order of the run."""
        outcome = self._columns.outcome
        names = [name for (name,) in self._store.rows((outcome,), group="1", order="1")]
        found: list[tuple[int, str]] = []
        for name in names:
            rows = self._store.rows(("position", "key"), where=f"({outcome}) = ?", parameters=(name,), limit=count)
            found += list(rows)
        for _, key in sorted(found):
            data = self._store.get(key)
            if data is not None:
                yield self._run.entry(data)

    def trajectory(self, key: str) -> Mapping[str, Any] | None:
        """Return the data of one trajectory, or None if there is none with this key."""
        with self._lock:
            data = self._store.get(key)
        return None if data is None else self._run.entry(data).details
