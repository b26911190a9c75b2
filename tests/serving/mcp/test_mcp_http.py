"""Keys, hosts, sessions and clients that vanish, over streamable HTTP."""

import asyncio
import socket
import subprocess
import sys
import time

import httpx
import pytest
from mcp import Client

from storm_calm.serving.api.auth import Keys, digest
from storm_calm.serving.mcp import http
from support.mcp_clients import MODES, Connection, wait_until
from support.mcp_programs import SLEEP
from support.running_mcp_server import RunningMcpServer

ANA, BEN = "storm-key-of-ana-0000", "storm-key-of-ben-0000"
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@pytest.fixture(scope="module")
def keyed():
    """Yield a server with two keys."""
    with RunningMcpServer(keys=Keys({"ana": digest(ANA), "ben": digest(BEN)})) as live:
        yield live


def post(url, body=INITIALIZE, **headers):
    return httpx.post(url, json=body, headers=HEADERS | headers, timeout=20)


def test_a_key_is_needed(keyed):
    assert post(keyed.url).status_code == 401
    assert post(keyed.url, Authorization="Bearer wrong-key-0000000").status_code == 401
    assert post(keyed.url, Authorization=f"Bearer {ANA}").status_code == 200
    assert httpx.get(keyed.url, headers=HEADERS).status_code == 401
    assert httpx.get(keyed.url.replace("/mcp", "/health")).status_code == 200


@pytest.mark.parametrize("mode", MODES)
def test_a_run_of_another_key_is_unknown(keyed, mode):
    with Connection(keyed.url, mode=mode, key=ANA) as ana, Connection(keyed.url, mode=mode, key=BEN) as ben:
        run = ana.facts("run_program", code="print('of ana')", session="new")
        job = ana.facts("submit", code="print(1)")
        assert ana.read(f"storm://runs/{run['record_id']}/stdout.txt").text == "of ana\n"
        assert ben.category("check_plan", record_id=run["record_id"]) == "not_found"
        assert ben.category("run_program", code="print(1)", session=run["session_id"]) == "not_found"
        assert ben.category("status", job_id=job["job_id"]) == "not_found"
        with pytest.raises(Exception, match="no run"):
            ben.read(f"storm://runs/{run['record_id']}/stdout.txt")
        assert len(ben.run(ben.client.list_resources()).resources) == 1


def test_a_session_is_only_for_the_key_that_opened_it(keyed):
    opened = post(keyed.url, Authorization=f"Bearer {ANA}")
    session = {"mcp-session-id": opened.headers["mcp-session-id"]}
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    assert post(keyed.url, ping, Authorization=f"Bearer {ANA}", **session).status_code == 200
    assert post(keyed.url, ping, Authorization=f"Bearer {BEN}", **session).status_code == 404


def test_sessions_of_one_address_do_not_see_each_other(mcp_server):
    with Connection(mcp_server.url, mode="legacy") as one, Connection(mcp_server.url, mode="legacy") as other:
        run = one.facts("run_program", code="print(1)")
        assert other.category("check_plan", record_id=run["record_id"]) == "not_found"
        assert len(other.run(other.client.list_resources()).resources) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({"Host": "127.0.0.1.evil.example:8765"}, 400),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Host": "localhost:99"}, 200),
    ],
)
def test_other_hosts_and_origins_are_rejected(mcp_server, headers, status):
    assert post(mcp_server.url, **headers).status_code == status


def test_large_and_malformed_bodies_are_rejected(mcp_server):
    host, port = mcp_server.url.removeprefix("http://").removesuffix("/mcp").split(":")
    with socket.create_connection((host, int(port))) as claiming:
        head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: {2 << 30}\r\n"
        claiming.sendall((head + "Content-Type: application/json\r\n\r\n{}").encode())
        assert claiming.recv(100).startswith(b"HTTP/1.1 413")
    assert post(mcp_server.url, {"x": "y" * (9 << 20)}).status_code == 413
    for body in (b"{", b"[]", b"nul", b'{"jsonrpc": "2.0"}', b"[" * 100_000):
        answer = httpx.post(mcp_server.url, content=body, headers=HEADERS, timeout=20)
        assert answer.status_code == 400
    assert httpx.post(mcp_server.url, content=b"{}", headers={"Content-Type": "text/plain"}).status_code in (400, 406)
    assert httpx.get(mcp_server.url.replace("/mcp", "/other")).status_code == 404


def test_a_body_that_does_not_come_is_given_up(mcp_server, monkeypatch):
    monkeypatch.setattr(http, "BODY_SECONDS", 0.3)
    host, port = mcp_server.url.removeprefix("http://").removesuffix("/mcp").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as slow:
        head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n{"
        slow.sendall(head.encode())
        assert slow.recv(100).startswith(b"HTTP/1.1 408")


def test_too_many_messages_are_rejected_with_a_reason():
    with RunningMcpServer(key_per_minute=5) as live:
        answers = [post(live.url).status_code for _ in range(7)]
        assert answers == [200] * 5 + [429] * 2
        # As an error of the protocol, whose message clients show.
        assert post(live.url).json()["error"]["message"] == "more than 5 requests per minute"


def test_too_many_clients_are_rejected():
    with RunningMcpServer(max_clients=2) as live:
        assert [post(live.url).status_code for _ in range(3)] == [200, 200, 503]


def test_without_sessions_too_many_keys_at_a_time_are_busy():
    keys = Keys({"ana": digest(ANA), "ben": digest(BEN)})
    with (
        RunningMcpServer(max_clients=1, keys=keys) as live,
        Connection(live.url, mode="auto", key=ANA) as ana,
        Connection(live.url, mode="auto", key=BEN) as ben,
    ):
        ana.facts("run_program", code="print(1)")
        assert ben.category("run_program", code="print(1)") == "busy"
        with pytest.raises(Exception, match="as many clients use this server"):
            ben.read("storm://runs/run-1/plan.csv")
        assert ana.facts("run_program", code="print(1)")["stdout"] == "1\n"


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_fifty_clients_work_at_the_same_time(mcp_server, mode):
    async def work(number):
        async with Client(mcp_server.url, mode=mode) as client:
            run = await client.call_tool(
                "run_program", {"code": f"x = {number}\nprint(x)", "session": "new" if number % 13 == 0 else ""}
            )
            assert run.structured_content["stdout"] == f"{number}\n"
            uri = f"storm://runs/{run.structured_content['record_id']}/stdout.txt"
            read = await client.read_resource(uri)
            job = (await client.call_tool("submit", {"code": f"print({number} + 1)"})).structured_content
            while job["state"] == "running":
                job = (await client.call_tool("status", {"job_id": job["job_id"]})).structured_content
            result = await client.call_tool("result", {"job_id": job["job_id"]})
            return read.contents[0].text, result.structured_content["program"]["stdout"]

    async def all_of_them():
        return await asyncio.gather(*map(work, range(50)))

    assert asyncio.run(all_of_them()) == [(f"{n}\n", f"{n + 1}\n") for n in range(50)]
    assert mcp_server.programs == 0


VANISHING = """
import asyncio, sys
from mcp import Client

async def main():
    async with Client(sys.argv[1], mode=sys.argv[2]) as client:
        await client.call_tool(sys.argv[3], {"code": sys.argv[4], "seconds": 25})
        print("submitted", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["run_program", "submit"])
@pytest.mark.parametrize("mode", MODES)
def test_a_client_that_is_killed_leaves_no_program(mode, tool):
    with RunningMcpServer(lost_seconds=2) as live:
        words = [sys.executable, "-c", VANISHING, live.url, mode, tool, SLEEP.format(seconds=24)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as client:
            wait_until(lambda: live.programs == 1, 20)
            if tool == "submit":
                assert client.stdout.readline() == b"submitted\n"
            client.kill()
        wait_until(lambda: live.programs == 0, 8)


def test_a_session_that_ends_takes_its_programs_along(mcp_server):
    with Connection(mcp_server.url, mode="legacy") as client:
        client.facts("submit", code=SLEEP.format(seconds=60))
        client.facts("run_program", code="x = 1", session="new")
        wait_until(lambda: mcp_server.programs == 1)
    wait_until(lambda: mcp_server.programs == 0)


def test_an_idle_client_is_forgotten():
    with RunningMcpServer(idle_seconds=1) as live, Connection(live.url, mode="auto") as client:
        run = client.facts("run_program", code="print(1)")
        wait_until(lambda: len(live.workspaces) == 0)
        assert client.category("check_plan", record_id=run["record_id"]) == "not_found"


def test_the_server_stops_while_programs_run():
    live = RunningMcpServer()
    with Connection(live.url, mode="legacy") as client:
        client.facts("submit", code=SLEEP.format(seconds=60))
        wait_until(lambda: live.programs == 1)
        began = time.monotonic()
        live.close()
        assert time.monotonic() - began < 10
