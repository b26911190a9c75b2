"""Serve the report to this machine, while a command writes the run folder.

    serve(open_run(Path("runs/first")), port=0, on_listening=print)

The page polls for new rows, and requests trajectories when a user opens them. The server keeps the row and the file
position of each record in memory. Of a large run it keeps nothing: the page requests the part of the list that it
shows, which the server reads from the index of the run (`large_run`).
"""

import io
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from storm_calm.serving.local_page import LOOPBACK, page_middleware
from storm_calm.serving.report.large_run import LargeRun
from storm_calm.serving.report.read_records import LinePosition, read_line, read_lines
from storm_calm.serving.report.report_page import as_json, facts, packed, page, policy
from storm_calm.serving.report.run_files import RunFiles
from storm_calm.serving.uvicorn_server import open_port, server_config

MOST = 50
"""Most trajectories in one response."""
MOST_ROWS = 500
"""Most rows in one response of a large run."""
COUNT_EVERY = 20.0
"""Seconds between two counts of the figures of a large run that grows."""


class ReadFile(NamedTuple):
    """How far a file of records was read."""

    identity: str
    end: int
    """Bytes."""
    lines: int


class LiveIndex:
    """The index rows of a growing run folder. Each record is read once. Thread-safe."""

    def __init__(self, run: RunFiles) -> None:
        self._run = run
        self._lock = threading.Lock()
        # Another server on the same folder may have read the records in another order.
        self._server, self._resets = secrets.token_hex(4), 0
        self._files: dict[Path, ReadFile] = {}
        self._rows: list[list[Any]] = []
        self._positions: list[LinePosition] = []

    @property
    def _stamp(self) -> str:
        return f"{self._server}-{self._resets}"

    def since(self, have: int, stamp: str) -> tuple[str, list[list[Any]], str]:
        """Return the current stamp, the rows after the first `have`, and the error that stops reading, or "".

        The stamp identifies the rows. A curation replaces its file at its end; then all rows are new.
        """
        with self._lock:
            failure = ""
            try:
                self._read_new_lines()
            except (ValueError, OSError) as error:
                failure = str(error)
            return self._stamp, self._rows[have if stamp == self._stamp else 0 :], failure

    def details(self, stamp: str, first: int, last: int) -> list[Any] | None:
        """Return the trajectories of rows `first` to `last - 1`; None if a file was replaced since."""
        with self._lock, ExitStack() as stack:
            positions = self._positions[first:last]
            opened = {path: stack.enter_context(path.open("rb")) for path in {one.path for one in positions}}
            same = all(self._files[path].identity == _identity(file) for path, file in opened.items())
            if stamp != self._stamp or not same:
                return None
            return [read_line(self._run, opened[one.path], one).details for one in positions]

    def _read_new_lines(self) -> None:
        for path in self._run.record_files:
            with path.open("rb") as file:
                identity, size = _identity(file), file.seek(0, io.SEEK_END)
                known = self._files.get(path)
                if known and (identity != known.identity or size < known.end):
                    self._files, self._rows, self._positions = {}, [], []
                    self._resets += 1
                    return self._read_new_lines()
                known = known or ReadFile(identity, 0, 0)
                self._files[path] = known
                for line, entry in read_lines(self._run, path, file, start=known.end, number=known.lines + 1):
                    if line.closed:
                        self._positions.append(LinePosition(path, line.start, line.end, line.number))
                        self._rows.append([*entry.values, len(self._rows), 0])
                        self._files[path] = ReadFile(identity, line.end, line.number)
        return None


def _identity(file: BinaryIO) -> str:
    status = os.fstat(file.fileno())
    return f"{status.st_dev}-{status.st_ino}"


def create_app(run: RunFiles, index: LiveIndex) -> Starlette:

    def shown(request: Request) -> Response:
        empty = packed(as_json({"facts": facts(run, live=True), "rows": []}))
        return HTMLResponse("".join(page(run, empty, (), live=True)))

    def rows(request: Request) -> Response:
        have, stamp = number(request, "have"), request.query_params.get("stamp", "")
        current, new, failure = index.since(have, stamp)
        return data({"facts": facts(run, live=True), "stamp": current, "rows": new, "error": failure})

    def details(request: Request) -> Response:
        first, last = number(request, "first"), number(request, "last")
        return data(index.details(request.query_params.get("stamp", ""), first, min(last, first + MOST)))

    routes = [Route("/", shown), Route("/rows", rows), Route("/runs", details)]
    return Starlette(routes=routes, middleware=page_middleware(policy(live=True)))


def create_large_app(run: RunFiles, large: LargeRun) -> Starlette:
    """Return the app of a large run. Figures are counted in a thread, since that takes seconds."""
    counting = Counting(large)

    def shown(request: Request) -> Response:
        empty = packed(as_json({"facts": facts(run, live=True), "rows": []}))
        return HTMLResponse("".join(page(run, empty, (), live=True)))

    def rows(request: Request) -> Response:
        failure = ""
        try:
            large.refresh()
            counting.start()
        except (ValueError, OSError) as error:
            failure = str(error)
        known = {"facts": facts(run, live=True), "total": large.total(), "figures": large.counted()}
        return data({**known, "stamp": "large", "rows": [], "error": failure})

    def window(request: Request) -> Response:
        first, count = number(request, "first"), min(number(request, "count"), MOST_ROWS)
        return data(large.window(request.query_params, first=first, count=count))

    def around(request: Request) -> Response:
        key, count = request.query_params.get("key", ""), min(number(request, "count"), MOST_ROWS)
        filters = {name: value for name, value in request.query_params.items() if name not in ("key", "count")}
        return data(large.around(key, filters, count=count))

    def trajectory(request: Request) -> Response:
        return data(large.trajectory(request.query_params.get("key", "")))

    paths = {"/": shown, "/rows": rows, "/window": window, "/around": around, "/trajectory": trajectory}
    routes = [Route(path, answer) for path, answer in paths.items()]
    return Starlette(routes=routes, middleware=page_middleware(policy(live=True)))


class Counting:
    """Counts the figures of a large run in a thread, one count at a time and at most every `COUNT_EVERY` seconds."""

    def __init__(self, large: LargeRun) -> None:
        self._large = large
        self._thread: threading.Thread | None = None
        self._begun = 0.0

    def start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        now = time.monotonic()
        if self._thread is None or now - self._begun > COUNT_EVERY:
            self._begun = now
            self._thread = threading.Thread(target=self._large.figures, name="figures", daemon=True)
            self._thread.start()


def number(request: Request, name: str) -> int:
    """Return a whole number of at least 0 from the query. Raises HTTPException."""
    value = request.query_params.get(name, "")
    if not value.isdecimal() or len(value) > 12:
        raise HTTPException(400, f"{name} is {value[:20]!r}; give a whole number")
    return int(value)


def data(value: Any) -> Response:
    return Response(as_json(value), media_type="application/json")


@contextmanager
def opened_app(run: RunFiles) -> Iterator[Starlette]:
    """Yield the app of a run of any size. Raises ValueError for an invalid record in the run folder."""
    if run.large:
        with LargeRun(run) as large:
            yield create_large_app(run, large)
        return
    index = LiveIndex(run)
    _, _, failure = index.since(0, "")
    if failure:
        raise ValueError(failure)
    yield create_app(run, index)


def serve(run: RunFiles, *, port: int, on_listening: Callable[[str], None]) -> None:
    """Serve until a signal. on_listening: called with the address when the server accepts requests.

    Raises ValueError for a port in use, and for an invalid record in the run folder.
    """
    with open_port(LOOPBACK, port) as listener, opened_app(run) as app:
        on_listening(f"http://{LOOPBACK}:{listener.getsockname()[1]}/")
        uvicorn.Server(server_config(app)).run(sockets=[listener])
