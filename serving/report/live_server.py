"""The report as a server on this machine, which shows a run folder while its command is at work.

    serve(open_run(Path("runs/first")), port=0, on_listening=print)

The page asks for new rows now and then, and for whole runs when somebody looks at them. Of each record the server keeps
its row and its place in the file.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from storm_calm.serving.local_page import LOOPBACK, page_middleware
from storm_calm.serving.report.read_records import read_line, read_lines
from storm_calm.serving.report.report_page import as_json, facts, packed, page, policy
from storm_calm.serving.report.run_files import RunFiles
from storm_calm.serving.uvicorn_server import open_port, server_config

MOST = 50
"""Whole runs that one answer may have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinePosition:
    """The place of a record in its file."""

    start: int
    """Its first byte."""
    end: int
    """The byte after it."""
    number: int
    """Its line, from 1."""


class LiveIndex:
    """The rows of a run that may go on; what is done is read once. For several threads."""

    def __init__(self, run: RunFiles) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._stamp = ""
        self._rows: list[list[Any]] = []
        self._positions: list[LinePosition] = []

    def since(self, have: int, stamp: str) -> tuple[str, list[list[Any]], str]:
        """What is new to somebody who has `have` rows under a stamp: the stamp now, the rows, and what is wrong.

        The stamp is another one when the file was replaced, as a curation does when it is over; then all rows are new.
        Of what is wrong, which keeps it from reading on, there is "" where nothing is.
        """
        with self._lock:
            wrong = ""
            try:
                self._read_on()
            except (ValueError, OSError) as error:
                wrong = str(error)
            return self._stamp, self._rows[have if stamp == self._stamp else 0 :], wrong

    def details(self, stamp: str, first: int, last: int) -> list[Any] | None:
        """The whole runs of rows `first` to `last`, that one left out; None where those rows are no more."""
        with self._lock, self._run.records.open("rb") as file:
            if not self._stamp == stamp == _stamp(file):
                return None
            positions = self._positions[first:last]
            return [read_line(self._run, file, one.start, one.end, one.number).details for one in positions]

    def _read_on(self) -> None:
        if not self._run.records.exists():
            return
        with self._run.records.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            if _stamp(file) != self._stamp or (self._positions and size < self._positions[-1].end):
                self._rows, self._positions, self._stamp = [], [], _stamp(file)
            start, number = (self._positions[-1].end, self._positions[-1].number + 1) if self._positions else (0, 1)
            for line, entry in read_lines(self._run, file, start=start, number=number):
                if line.closed:
                    self._positions.append(LinePosition(start=line.start, end=line.end, number=line.number))
                    self._rows.append([*entry.values, len(self._rows), 0])


def _stamp(file: BinaryIO) -> str:
    status = os.fstat(file.fileno())
    return f"{status.st_dev}-{status.st_ino}"


def create_app(run: RunFiles, index: LiveIndex) -> Starlette:
    """The app: the page, its rows and its runs."""

    def shown(request: Request) -> Response:
        empty = packed(as_json({"facts": facts(run), "rows": []}))
        return HTMLResponse("".join(page(run, empty, (), live=True)))

    def rows(request: Request) -> Response:
        have, stamp = number(request, "have"), request.query_params.get("stamp", "")
        now, new, wrong = index.since(have, stamp)
        return data({"facts": facts(run), "stamp": now, "rows": new, "error": wrong})

    def details(request: Request) -> Response:
        first, last = number(request, "first"), number(request, "last")
        return data(index.details(request.query_params.get("stamp", ""), first, min(last, first + MOST)))

    routes = [Route("/", shown), Route("/rows", rows), Route("/runs", details)]
    return Starlette(routes=routes, middleware=page_middleware(policy(live=True)))


def number(request: Request, name: str) -> int:
    """Return a whole number of at least 0 in a request's query. Raises HTTPException if it is not one."""
    value = request.query_params.get(name, "")
    if not value.isdecimal() or len(value) > 12:
        raise HTTPException(400, f"{name} is {value[:20]!r}; give a whole number")
    return int(value)


def data(value: Any) -> Response:
    """Return data as JSON, for our own page alone."""
    return Response(as_json(value), media_type="application/json")


def serve(run: RunFiles, *, port: int, on_listening: Callable[[str], None]) -> None:
    """Serve until a signal. on_listening: gets the address when the first request can come.

    Raises ValueError if the port is taken, and for a line of the run that is no record.
    """
    with open_port(LOOPBACK, port) as listener:
        index = LiveIndex(run)
        _, _, wrong = index.since(0, "")
        if wrong:
            raise ValueError(wrong)
        on_listening(f"http://{LOOPBACK}:{listener.getsockname()[1]}/")
        uvicorn.Server(server_config(create_app(run, index))).run(sockets=[listener])
