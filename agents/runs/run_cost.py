"""The cost of a run so far in money, over all its sessions, and its limit.

    with RunCost(out, limit=config.max_cost, price=lambda: 1.25) as cost:
        if cost.limit_reached: ...
        cost.save()
    cost.check("12 problems", result=summary)      # raises CostLimitError

It is kept in `cost.json`, so work that failed or was interrupted counts, too. The file is written only if prices are
known.
"""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

from storm_calm.agents.runs.worker_pool import RunStoppedError
from storm_calm.env.atomic_write import write_json
from storm_calm.env.format_version import with_version, without_version

FILE = "cost.json"
SAVE_SECONDS = 1.0
"""Seconds between two writes of the file. A crash loses the cost of this time, and of problems in flight."""


class CostLimitError(RunStoppedError):
    """A run stopped because it has cost as much as it may. All started problems are finished."""

    def __init__(self, *, limit: float, total: float, left: str, result: Any = None) -> None:
        """left: the work that was not started. result: the summary or the results of the finished work."""
        self.limit, self.total, self.left, self.result = limit, total, left, result
        super().__init__(f"--max-cost {limit:g} is reached: the run has cost {total:,.4f}, and {left} are not started")


class RunCost:
    """The cost of a run. Thread-safe."""

    def __init__(self, out: Path, *, limit: float | None, price: Callable[[], float | None]) -> None:
        """out: the run folder. price: returns the cost of this session; None if prices are unknown."""
        self._file, self._limit, self._price = out / FILE, limit, price
        self._earlier = read_cost(out)
        self._lock = threading.Lock()
        self._saved_at = monotonic()

    @property
    def total(self) -> float:
        """The cost of all sessions."""
        return self._earlier + (self._price() or 0.0)

    @property
    def limit_reached(self) -> bool:
        return self._limit is not None and self.total >= self._limit

    def save(self) -> None:
        """Write the cost so far, at most once in `SAVE_SECONDS`."""
        with self._lock:
            if monotonic() - self._saved_at >= SAVE_SECONDS:
                self._write()

    def check(self, left: str, *, result: Any = None) -> None:
        """Raise CostLimitError if the limit is reached. left: the work that was not started."""
        if self._limit is not None and self.limit_reached:
            raise CostLimitError(limit=self._limit, total=self.total, left=left, result=result)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._write()

    def _write(self) -> None:
        if self._price() is not None:
            write_cost(self._file.parent, self.total)
        self._saved_at = monotonic()


def write_cost(out: Path, price: float) -> None:
    """Write the cost of a run folder."""
    write_json(out / FILE, with_version({"price": round(price, 6)}))


def read_cost(out: Path) -> float:
    """Return the cost of a run folder so far; 0 if it is unknown. Raises ValueError for an invalid file."""
    file = out / FILE
    if not file.exists():
        return 0.0
    try:
        price = without_version(json.loads(file.read_text(encoding="utf-8"))).get("price")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{file}: not the cost of a run ({error}); repair or delete it") from None
    if not isinstance(price, int | float) or isinstance(price, bool) or not price >= 0:
        raise ValueError(f'{file}: "price" is {price!r}; give the cost of the run so far, or delete the file')
    return float(price)
