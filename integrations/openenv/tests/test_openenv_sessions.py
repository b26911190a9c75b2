"""Slots of sessions: they are limited, and free again whatever happens to a client."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import pytest
from running_openenv_server import running_server
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from storm_openenv import StormAction, StormEnv

HOLD = """
import json, sys
from websockets.sync.client import connect
socket = connect(sys.argv[1])
socket.send(json.dumps({"type": "reset", "data": {"seed": 1}}))
socket.recv()
socket.send(json.dumps({"type": "step", "data": {"code": "import time; time.sleep(3)"}}))
print("held", flush=True)
socket.recv()
sys.stdin.read()
"""


def post(url, method, **params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(f"{url}/mcp", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def has_slot(url):
    """Return whether a new session can start."""
    with connect(f"{url.replace('http', 'ws')}/ws") as client:
        with suppress(ConnectionClosed):  # A refused client may be disconnected before it has sent anything.
            client.send(json.dumps({"type": "state"}))
        return json.loads(client.recv())["type"] == "state"


def wait_for_session(url, *, seconds=30):
    """Return a client with an episode, as soon as a slot is free."""
    deadline = time.monotonic() + seconds
    while True:
        env = StormEnv(base_url=url).sync()
        try:
            env.reset(seed=1)
        except RuntimeError as error:
            env.close()
            if "CAPACITY_REACHED" not in str(error) or time.monotonic() > deadline:
                raise
        else:
            return env


def test_a_closed_client_frees_its_slot(sandbox):
    with running_server(max_sessions=1, sandbox=sandbox) as url:
        for _ in range(5):
            with wait_for_session(url) as env:
                env.step(StormAction(code="print(1)"))
                assert not has_slot(url)


def test_a_killed_client_frees_its_slot_also_while_its_program_runs(sandbox):
    with running_server(max_sessions=1, sandbox=sandbox) as url:
        held = subprocess.Popen(
            [sys.executable, "-c", HOLD, f"{url.replace('http', 'ws')}/ws"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        with held:
            assert held.stdout.readline() == "held\n"
            assert not has_slot(url)
            os.kill(held.pid, signal.SIGKILL)
        wait_for_session(url).close()


def test_a_vanished_client_frees_its_slot(sandbox):
    """Its connection stays open, and pings are not answered, as after a power cut."""
    with running_server(max_sessions=1, ping_seconds=0.5, sandbox=sandbox) as url:
        address = url.removeprefix("http://")
        host, port = address.split(":")
        with socket.create_connection((host, int(port))) as raw:
            key = base64.b64encode(os.urandom(16)).decode()
            raw.sendall(
                f"GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            assert raw.recv(1000).startswith(b"HTTP/1.1 101")
            assert not has_slot(url)
            wait_for_session(url).close()


def test_an_abandoned_session_of_mcp_frees_its_slot(sandbox):
    with running_server(max_sessions=1, session_seconds=0.5, sandbox=sandbox) as url:
        assert post(url, "openenv/session/create")["result"]["session_id"]
        assert "error" in {name for name, value in post(url, "openenv/session/create").items() if value}
        wait_for_session(url).close()


def test_a_failing_reset_keeps_the_session_and_a_refused_client_takes_no_slot(sandbox):
    with running_server(max_sessions=1, sandbox=sandbox) as url, StormEnv(base_url=url).sync() as env:
        for _ in range(3):
            with pytest.raises(RuntimeError, match="unknown"):
                env.reset(family="unknown")
            assert not has_slot(url)
        assert env.reset(seed=1).observation.question
