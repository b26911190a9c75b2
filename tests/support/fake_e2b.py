"""A fake E2B server on the loopback interface: it answers the requests of E2B's SDK, with faults on demand.

It implements the control plane (create, renew, kill, disable the network), a cloud sandbox's health, and `/execute`,
whose replies are lines of JSON. Each cloud sandbox is a process that runs cells in one namespace, as a Jupyter kernel
does. Like E2B's own server, it interrupts a cell whose caller has disconnected.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

KEY = "e2b_0123456789abcdef0123456789abcdef01234567"
"""The only valid key."""

_SPOILERS = ("drop during", "half a line", "end early", "lose a piece")
_KERNEL = """
import json, os, sys, traceback
calls, answers = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
os.dup2(os.open("/dev/null", os.O_RDWR), 0)
os.dup2(2, 1)

def tell(**event):
    print(json.dumps(event), file=answers, flush=True)

class Stream:
    encoding = "utf-8"
    def __init__(self, name): self.name = name
    def write(self, text):
        for start in range(0, len(text), 3000):
            tell(type=self.name, text=text[start:start + 3000], timestamp="2026-01-01T00:00:00Z")
        return len(text)
    def flush(self): pass

sys.stdout, sys.stderr = Stream("stdout"), Stream("stderr")
names, count = {"__name__": "__main__"}, 0
while True:
    try:
        line = calls.readline()
    except KeyboardInterrupt:
        continue
    if not line: break
    count += 1
    try:
        try:
            exec(compile(json.loads(line), "cell", "exec"), names)
        except BaseException as error:
            tell(type="error", name=type(error).__name__, value=str(error), traceback=traceback.format_exc())
        tell(type="idle", count=count)
    except KeyboardInterrupt:
        tell(type="error", name="KeyboardInterrupt", value="", traceback="")
        tell(type="idle", count=count)
"""


@dataclass(kw_only=True)
class InjectedFault:
    """A fault to inject into later requests."""

    at: str
    """The kind of request: create, timeout, network, kill, health or execute."""
    status: int = 0
    """Reply with this status instead of the real reply."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of that reply."""
    body: str = ""
    """Body of that reply."""
    act: str = ""
    """For execute, the fault of the stream: "drop before", "drop running", "drop during", "drop after", "half a line",
    "end early", "lose a piece" or "silence". For any request, "wait": delay it by a second.
    """
    times: int = 1
    """Number of requests to fail."""
    after: int = 0
    """Number of requests to leave alone first."""


class _Dropped(Exception):
    """The connection breaks in the middle of a reply."""


class _Kernel:
    """A process that runs cells."""

    def __init__(self, process: asyncio.subprocess.Process, folder: tempfile.TemporaryDirectory[str]) -> None:
        self._process, self._folder = process, folder
        self._lock = asyncio.Lock()
        self.cells = 0

    @classmethod
    async def start(cls) -> _Kernel:
        folder = tempfile.TemporaryDirectory(prefix="cloud-", ignore_cleanup_errors=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _KERNEL,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "HOME": folder.name, "TMPDIR": folder.name},
            cwd=folder.name,
            limit=1 << 26,
            start_new_session=True,
        )
        return cls(process, folder)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def run(self, code: str, *, interrupt: bool) -> AsyncIterator[dict[str, Any]]:
        """Run a cell and yield its events.

        interrupt: stop the cell if the caller disconnects; otherwise the next cell waits for its end.
        """
        async with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(code).encode() + b"\n")
            await self._process.stdin.drain()
            self.cells += 1
            idle = False
            try:
                while line := await self._process.stdout.readline():
                    event = json.loads(line)
                    if event["type"] == "idle":
                        idle = True
                        return
                    yield event
                idle = True
                yield {
                    "type": "error",
                    "name": "UnexpectedEndOfExecution",
                    "value": "Connection to the execution was closed before the execution was finished",
                    "traceback": "",
                }
            finally:
                if not idle and self._process.returncode is None:
                    if interrupt:
                        os.kill(self._process.pid, signal.SIGINT)
                    while (line := await self._process.stdout.readline()) and json.loads(line)["type"] != "idle":
                        pass

    async def stop(self) -> None:
        """Kill all processes at once, as the end of a virtual machine does."""
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._folder.cleanup()


@dataclass(kw_only=True)
class CloudSandbox:
    """A cloud sandbox with the options of its create request."""

    number: str
    asked: dict[str, Any]
    kernel: _Kernel
    ends: float
    """When it expires, as time.monotonic()."""
    renewals: list[int] = field(default_factory=list)
    internet: bool = True


class FakeE2B:
    """The server. `with FakeE2B() as cloud`, then point E2B_API_URL and E2B_SANDBOX_URL at `cloud.url`."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        """The kind of every request, in order, including rejected ones."""
        self.made: list[CloudSandbox] = []
        """Every cloud sandbox ever created."""
        self.running: dict[str, CloudSandbox] = {}
        """The running cloud sandboxes."""
        self.code: list[str] = []
        """The code of every cell."""
        self.interrupts = True
        """Whether a cell whose caller has disconnected is interrupted, as in E2B's newer templates."""
        self._start = 0
        self._once: dict[str, str] = {}
        self._faults: list[InjectedFault] = []
        routes = [
            Route("/v2/sandboxes", self._create, methods=["POST"]),
            Route("/sandboxes/{number}", self._kill, methods=["DELETE"]),
            Route("/sandboxes/{number}/timeout", self._timeout, methods=["POST"]),
            Route("/sandboxes/{number}/network", self._network, methods=["PUT"]),
            Route("/health", self._health),
            Route("/execute", self._execute, methods=["POST"]),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes), host="127.0.0.1", port=0, log_level="critical", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> FakeE2B:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        for sandbox in self.made:  # Including sandboxes that were never killed.
            if sandbox.kernel._process.returncode is None:
                os.killpg(sandbox.kernel.pid, signal.SIGKILL)
        self._server.should_exit = True
        self._thread.join(10)

    def fail(self, at: str, act: str = "", **options: Any) -> None:
        """Inject a fault, see `InjectedFault`."""
        self._faults.append(InjectedFault(at=at, act=act, **options))

    def reset(self) -> None:
        """Discard pending faults and reset the counts."""
        self._faults.clear()
        self.requests.clear()
        self.interrupts = True
        self._start = len(self.made)

    @property
    def left(self) -> list[str]:
        """Return the cloud sandboxes created since `reset` that still run."""
        return [sandbox.number for sandbox in self.made[self._start :] if sandbox.number in self.running]

    def count(self, kind: str) -> int:
        """Return the number of requests of a kind."""
        return self.requests.count(kind)

    def vanish(self) -> None:
        """Kill all cloud sandboxes, as E2B sometimes does."""
        for sandbox in list(self.running.values()):
            del self.running[sandbox.number]
            os.killpg(sandbox.kernel.pid, signal.SIGKILL)

    async def _meet(self, kind: str) -> InjectedFault | None:
        """Record a request. Return the fault to inject, if any."""
        self.requests.append(kind)
        for fault in self._faults:
            if fault.at != kind or fault.times == 0:
                continue
            if fault.after:
                fault.after -= 1
                continue
            fault.times -= 1
            if fault.act == "wait":
                await asyncio.sleep(1)
            return fault
        return None

    async def _control(self, kind: str, request: Request) -> Response | CloudSandbox | None:
        """Handle the common part of the control plane: return an error response, or the requested cloud sandbox."""
        fault = await self._meet(kind)
        if fault is not None and fault.act == "drop before":
            return self._hang_up(request)
        if fault is not None and fault.body.startswith("<"):  # An error page of a proxy in between.
            return Response(fault.body, status_code=fault.status)
        if fault is not None and fault.status:
            return _refusal(fault.status, fault.body, fault.headers)
        if request.headers.get("x-api-key") != KEY:
            return _refusal(401, "Invalid API key")
        number = request.path_params.get("number")
        if number is None:
            return None
        await self._expire()
        return self.running.get(number) or _refusal(404, f"sandbox {number!r} was not found")

    async def _create(self, request: Request) -> Response:
        refusal = await self._control("create", request)
        if isinstance(refusal, Response):
            return refusal
        asked = await request.json()
        if asked["templateID"] == "no-such-template":
            return _refusal(404, "template 'no-such-template' not found")
        once = request.headers.get("idempotency-key", "")
        if once not in self._once:
            number = self._once[once] = f"i{len(self.made):019d}"
            sandbox = CloudSandbox(
                number=number,
                asked=asked,
                kernel=await _Kernel.start(),
                ends=time.monotonic() + asked["timeout"],
                internet=asked["allow_internet_access"],
            )
            self.made.append(sandbox)
            self.running[number] = sandbox
        number = self._once[once]
        answer = {
            "templateID": asked["templateID"],
            "sandboxID": number,
            "clientID": "client",
            "envdVersion": "0.6.7",
            "envdAccessToken": f"envd-{number}",
            "trafficAccessToken": None,
            "domain": None,
        }
        return JSONResponse(answer, status_code=201)

    async def _kill(self, request: Request) -> Response:
        sandbox = await self._control("kill", request)
        if isinstance(sandbox, Response):
            return sandbox
        assert sandbox is not None
        del self.running[sandbox.number]
        await sandbox.kernel.stop()
        return Response(status_code=204)

    async def _timeout(self, request: Request) -> Response:
        sandbox = await self._control("timeout", request)
        if isinstance(sandbox, Response):
            return sandbox
        assert sandbox is not None
        seconds = (await request.json())["timeout"]
        sandbox.ends = time.monotonic() + seconds
        sandbox.renewals.append(seconds)
        return Response(status_code=204)

    async def _network(self, request: Request) -> Response:
        sandbox = await self._control("network", request)
        if isinstance(sandbox, Response):
            return sandbox
        assert sandbox is not None
        sandbox.internet = (await request.json())["allow_internet_access"]
        return Response(status_code=204)

    async def _health(self, request: Request) -> Response:
        fault = await self._meet("health")
        if fault is not None and fault.status:
            return Response(fault.body, status_code=fault.status)
        return Response(status_code=204) if await self._find(request) else _gone(request)

    async def _execute(self, request: Request) -> Response:
        fault = await self._meet("execute")
        if fault is not None and fault.act == "drop before":
            return self._hang_up(request)
        if fault is not None and fault.status:
            return Response(fault.body, status_code=fault.status, headers=fault.headers)
        sandbox = await self._find(request)
        if sandbox is None:
            return _gone(request)
        if request.headers.get("x-access-token") != f"envd-{sandbox.number}":
            return Response("Unauthorized", status_code=401)
        asked = await request.json()
        assert not asked["env_vars"]
        self.code.append(asked["code"])
        return StreamingResponse(self._stream(request, sandbox, asked["code"], fault.act if fault else ""))

    async def _stream(self, request: Request, sandbox: CloudSandbox, code: str, act: str) -> AsyncIterator[str]:
        if act == "silence":
            await asyncio.Event().wait()
        yield _line(type="number_of_executions", execution_count=sandbox.kernel.cells + 1)
        printed = 0
        async with contextlib.aclosing(sandbox.kernel.run(code, interrupt=self.interrupts)) as events:
            if act == "drop running":
                first = asyncio.ensure_future(anext(events))
                await asyncio.sleep(0.3)
                self._hang_up(request)
                first.cancel()
                await asyncio.wait([first])
                return
            async for event in events:
                printed += event["type"] == "stdout"
                if printed == 1 and act in _SPOILERS:
                    if act == "lose a piece":
                        continue
                    if act == "end early":
                        return
                    if act == "half a line":
                        yield _line(**event)[: len(_line(**event)) // 2]
                    await asyncio.sleep(0.05)
                    raise _Dropped
                yield _line(**event)
        if act == "drop after" or sandbox.number not in self.running:
            await asyncio.sleep(0.05)
            raise _Dropped
        yield _line(type="end_of_execution")

    def _hang_up(self, request: Request) -> Response:
        """Drop the connection without a reply."""
        for connection in list(self._server.server_state.connections):
            if connection.client == tuple(request.client or ()):
                connection.transport.abort()
        return Response()

    async def _find(self, request: Request) -> CloudSandbox | None:
        await self._expire()
        return self.running.get(request.headers.get("e2b-sandbox-id", ""))

    async def _expire(self) -> None:
        for sandbox in [sandbox for sandbox in self.running.values() if sandbox.ends < time.monotonic()]:
            del self.running[sandbox.number]
            await sandbox.kernel.stop()


def _line(**event: Any) -> str:
    return json.dumps(event) + "\n"


def _refusal(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"code": status, "message": message}, status_code=status, headers=headers)


def _gone(request: Request) -> Response:
    """Return the reply of E2B's proxy for a missing cloud sandbox."""
    number = request.headers.get("e2b-sandbox-id", "")
    return JSONResponse({"sandboxId": number, "message": "The sandbox was not found", "code": 502}, status_code=502)
