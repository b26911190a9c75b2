"""A sandbox behind JSON requests: the other end of `sandbox.backends.remote` in a container, a cloud or a node.

    python -m storm_calm.sandbox.backends.worker '{"minimum_isolation": "limits"}'

It reads one request per line from standard input and writes one answer per line to standard output.

    {"call": "hello"}                                   {"value": {"isolation", "missing", "resource_control"}}
    {"call": "run", "program": {...}}                   {"value": {an Execution}}
    {"call": "open", "limits": {...}}                   {"value": the session's number}
    {"call": "block", "session": 1, "program": {...}}   {"value": {an Execution}}
    {"call": "rewind", "session": 1, "block": 0}        {"value": null}
    {"call": "close", "session": 1}                     {"value": null}
    {"call": "cancel", "number": 7}                     {"value": null}

A concurrent "cancel" request cancels the run or block with the same "number", whose answer is then {"cancelled": true}.
It does nothing if no such run is active. A fault of the sandbox is answered with {"fault": "why"}, an unknown session
with {"lost": "why"}.
"""

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
    """The server of a sandbox. Thread-safe, except that a session must be used by one thread at a time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._sessions: dict[int, Session] = {}
        self._numbers = itertools.count(1)
        self.running: dict[int, Cancellation] = {}
        """The cancellations of active runs, by their numbers."""

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if "session" in request and request["session"] not in self._sessions:
            return {"lost": f"session {request['session']} does not exist"}
        try:
            return {"value": self._do(request)}
        except SandboxUnavailableError as error:
            return {"fault": str(error)}
        except RunCancelledError:
            return {"cancelled": True}

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
                    return self._sessions[request["session"]].execute(program, cancellation).to_dict()
            case "rewind":
                return self._sessions[request["session"]].rewind(request["block"])
            case "close":
                return self._sessions.pop(request["session"]).close()
            case "cancel":
                cancellation = self.running.get(request["number"])
                return None if cancellation is None else cancellation.cancel()
            case other:
                raise SandboxUnavailableError(f"the worker has no call {other!r}; update it to the caller's version")

    @contextlib.contextmanager
    def _cancellation(self, request: Mapping[str, Any]) -> Iterator[Cancellation | None]:
        """Yield the cancellation of this request's run; None if it has no number."""
        number: Any = request.get("number")
        cancellation = None if number is None else self.running.setdefault(number, Cancellation())
        try:
            yield cancellation
        finally:
            self.running.pop(number, None)


def main() -> None:
    """Serve on standard input and output until the input ends."""
    from storm_calm.sandbox import open_sandbox

    settings = json.loads(sys.argv[1])
    settings["limits"] = Limits(**settings["limits"])
    # Reserve standard output for answers: all other output of this process goes to standard error.
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
