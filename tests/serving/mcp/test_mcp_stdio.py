"""`storm mcp` at standard input and output: nothing but the protocol, and nothing left behind."""

import json
import signal
import subprocess
import threading
import time

import psutil
import pytest

from support.mcp_clients import STORM, Connection
from support.mcp_programs import SLEEP

WORDS = [*STORM, "mcp", "--minimum-isolation", "limits"]
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


class RawClient:
    """A client that writes and reads lines, so that it sees everything that the server writes."""

    def __init__(self):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(WORDS, text=True, **pipes)
        self.lines = []
        self._number = 0
        self.ask("initialize", **HELLO)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message):
        self.process.stdin.write(message if isinstance(message, str) else json.dumps(message) + "\n")
        self.process.stdin.flush()

    def request(self, method, **params):
        self._number += 1
        self.send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        return self._number

    def ask(self, method, **params):
        number = self.request(method, **params)
        while True:
            self.lines.append(self.process.stdout.readline())
            message = json.loads(self.lines[-1])
            if message.get("id") == number:
                return message

    def call(self, name, **arguments):
        return self.ask("tools/call", name=name, arguments=arguments)["result"]["structuredContent"]


@pytest.fixture
def raw():
    client = RawClient()
    yield client
    client.process.kill()
    client.process.wait(10)
    for pipe in (client.process.stdin, client.process.stdout, client.process.stderr):
        pipe.close()


def children(process):
    return psutil.Process(process.pid).children(recursive=True)


def ended(processes, seconds=10):
    return not psutil.wait_procs(processes, timeout=seconds)[1]


def test_standard_output_has_the_protocol_only(raw):
    code = "import os, sys\nprint('out')\nprint('err', file=sys.stderr)\nos.write(1, b'raw')\nwarn = 1 / 0"
    assert raw.call("run_program", code=code)["stdout"] == "out\nraw"
    assert raw.call("run_program", code="print(1)", session="new")["stdout"] == "1\n"
    assert raw.call("ask", question="Who are you?")["error"]["category"] == "unsupported"
    raw.send("this is not JSON\n")
    raw.send("[" * 100_000 + "\n")
    raw.send('{"jsonrpc": "2.0", "method": 7}\n')
    assert raw.ask("ping")["result"] == {}
    raw.process.stdin.close()
    assert raw.process.wait(10) == 0
    rest = raw.process.stdout.read().splitlines()
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in [*raw.lines, *rest])


def test_text_that_is_not_valid_unicode_is_an_error_of_its_call(raw):
    number = raw.request("tools/call", name="run_program", arguments={"code": "print('\ud800')"})
    raw.request("tools/call", name="run_program", arguments={"code": "print(1)", "files": {"a\udfff.csv": "\ud800"}})
    assert raw.call("run_program", code="print(2)")["stdout"] == "2\n"
    answers = [json.loads(line) for line in raw.lines]
    assert all(one["result"]["isError"] for one in answers if one.get("id") in (number, number + 1) and "result" in one)


def test_the_end_of_the_input_ends_programs_and_sessions(raw):
    raw.call("run_program", code="x = 1", session="new")
    raw.call("submit", code=SLEEP.format(seconds=60))
    raw.request("tools/call", name="run_program", arguments={"code": SLEEP.format(seconds=20), "seconds": 25})
    time.sleep(1)  # Until both programs run; nothing tells it from outside.
    started = children(raw.process)
    assert len(started) > 3
    raw.process.stdin.close()
    assert raw.process.wait(15) == 0
    assert ended(started)


def test_a_killed_client_leaves_nothing_running(tmp_path):
    code = (
        "import subprocess, sys\n"
        f"server = subprocess.Popen({WORDS!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n"
        "print(server.pid, flush=True)\n"
        "for line in sys.stdin:\n"
        "    server.stdin.write(line)\n"
        "    server.stdin.flush()\n"
        "    print(server.stdout.readline(), end='', flush=True)\n"
    )
    with subprocess.Popen([STORM[0], "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        server = psutil.Process(int(client.stdout.readline()))
        for number, method, params in (
            (1, "initialize", HELLO),
            (2, "tools/call", {"name": "submit", "arguments": {"code": SLEEP.format(seconds=60)}}),
        ):
            client.stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n")
            client.stdin.flush()
            assert json.loads(client.stdout.readline())["id"] == number
        started = [server, *server.children(recursive=True)]
        client.kill()
    assert ended(started, 15)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server(raw, kind):
    raw.call("submit", code=SLEEP.format(seconds=60))
    started = children(raw.process)
    raw.process.send_signal(kind)
    raw.process.wait(15)
    assert ended(started)
    assert "Traceback" not in raw.process.stderr.read()


def test_a_cancelled_call_kills_its_program():
    running = threading.Event()

    async def on_progress(progress, total, message):
        running.set()

    with Connection(["--workers", "1"]) as client:
        arguments = {"code": SLEEP.format(seconds=20), "seconds": 25}
        future = client.start(client.client.call_tool("run_program", arguments, progress_callback=on_progress))
        assert running.wait(10)
        future.cancel()
        began = time.monotonic()
        # With one worker, it runs only if the other one has ended.
        assert client.facts("run_program", code="print(1)")["stdout"] == "1\n"
        assert time.monotonic() - began < 10


def test_a_folder_that_does_not_exist_is_an_error_in_one_line():
    done = subprocess.run([*WORDS, "--root", "/no/such/folder"], capture_output=True, text=True, timeout=60, input="")
    assert done.returncode == 2
    assert done.stderr == "storm: --root: '/no/such/folder' is not a folder\n"
    assert done.stdout == ""
