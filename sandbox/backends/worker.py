"""A sandbox behind requests and answers of JSON data: how it is reached in a container, a cloud, or another node.

    python -m storm_calm.sandbox.backends.worker '{"minimum_isolation": "limits"}'

It reads one request a line on standard input and writes one answer a line on standard output. The other end is
`sandbox.backends.remote`.

    {"call": "hello"}                                   {"value": {"isolation", "missing", "resource_control"}}
    {"call": "run", "program": {...}}                   {"value": {an Execution}}
    {"call": "open", "limits": {...}}                   {"value": the session's number}
    {"call": "block", "session": 1, "program": {...}}   {"value": {an Execution}}
    {"call": "rewind", "session": 1, "block": 0}        {"value": null}
    {"call": "close", "session": 1}                     {"value": null}
    {"call": "cancel", "number": 7}                     {"value": null}

A run or a block with a "number" can be cancelled under it, by a request that comes meanwhile; it is answered with
{"cancelled": true}. A cancel for a number that is not under way does nothing.
A fault of the sandbox is answered with {"fault": "why"}, a session that is not there with {"lost": "why"}.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from storm_calm.sandbox.base import Limits, Program, Sandbox, Session
from storm_calm.sandbox.cancellation import Cancellation, RunCancelledError
from storm_calm.sandbox.execution import SandboxUnavailableError


class Worker:
    """Answers requests out of `sandbox`. Safe to use from many threads, but for one session from one at a time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._sessions: dict[int, Session] = {}
        self._numbers = itertools.count(1)
        self.running: dict[int, Cancellation] = {}
        """What ends the runs that can be cancelled, by their numbers."""

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        try:
            return {"value": self._do(request)}
        except SandboxUnavailableError as error:
            return {"fault": str(error)}
        except RunCancelledError:
            return {"cancelled": True}
        except _NoSessionError as error:
            return {"lost": f"there is no session {error}"}

    def _do(self, request: Mapping[str, Any]) -> Any:
        match request["call"]:
            case "hello":
                return {
                    "isolation": self._sandbox.isolation,
                    "missing": list(self._sandbox.missing),
                    "resource_control": self._sandbox.resource_control,
                }
            case "run":
                with self._cancellation(request) as cancellation:
                    return self._sandbox.execute(Program.from_dict(request["program"]), cancellation).to_dict()
            case "open":
                number = next(self._numbers)
                self._sessions[number] = self._sandbox.session(limits=Limits(**request["limits"]))
                return number
            case "block":
                program = Program.from_dict(request["program"])
                with self._cancellation(request) as cancellation:
                    return self._session(request).execute(program, cancellation).to_dict()
            case "rewind":
                return self._session(request).rewind(request["block"])
            case "close":
                session = self._session(request)
                del self._sessions[request["session"]]
                return session.close()
            case "cancel":
                cancellation = self.running.get(request["number"])
                return None if cancellation is None else cancellation.cancel()
            case other:
                raise SandboxUnavailableError(f"the worker knows no call {other!r}; it is older than the caller")

    @contextlib.contextmanager
    def _cancellation(self, request: Mapping[str, Any]) -> Iterator[Cancellation | None]:
        """What ends this request's run, as long as the `with` block; None for one without a number."""
        if "number" not in request:
            yield None
            return
        number, cancellation = request["number"], Cancellation()
        self.running[number] = cancellation
        try:
            yield cancellation
        finally:
            del self.running[number]

    def _session(self, request: Mapping[str, Any]) -> Session:
        try:
            return self._sessions[request["session"]]
        except KeyError as error:
            raise _NoSessionError(error) from None


class _NoSessionError(Exception):
    """The request is for a session that is not here."""


def main() -> None:
    """Serve on standard input and output until the input ends."""
    from storm_calm.sandbox import open_sandbox

    settings = json.loads(sys.argv[1])
    settings["limits"] = Limits(**settings["limits"])
    # Answers alone go to the caller: whatever else is printed in this process lands on standard error.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        sandbox = open_sandbox(**settings)
    except SandboxUnavailableError as error:
        print(json.dumps({"fault": str(error)}), file=answers, flush=True)
        return
    with sandbox:
        worker = Worker(sandbox)
        for line in sys.stdin:
            print(json.dumps(worker.answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
