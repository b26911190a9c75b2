"""Clients that send too much, too slowly, or invalid text: each gets a response, and other clients are not delayed."""

import json
import re
import socket
import statistics
import threading
import time

import httpx
import pytest

from storm_calm.serving.api import http_limits, middleware
from storm_calm.serving.api.config import ServeConfig
from storm_calm.serving.api.middleware import host_name

pytestmark = pytest.mark.slow

CHAT = "chat/completions"
USER = {"role": "user", "content": "2 + 2?"}


def connect(live):
    opened = socket.create_connection(("127.0.0.1", httpx.URL(live.url).port))
    opened.settimeout(20)
    return opened


def answer(opened):
    """Return all data until the server closes the connection."""
    received = b""
    while data := opened.recv(65536):
        received += data
    return received.decode()


def error(response, status):
    assert response.status_code == status, response.text
    return response.json()["error"]


@pytest.mark.parametrize("sent", [b"", b"POST /v1/chat/comp", b"GET /health HTTP/1.1\r\nhost: localhost\r\nx-slow: "])
def test_slow_request_headers_time_out(nano, monkeypatch, sent):
    monkeypatch.setattr(http_limits, "HEAD_SECONDS", 0.3)
    began = time.monotonic()
    with connect(nano) as opened:
        opened.sendall(sent)
        assert answer(opened).startswith("HTTP/1.1 408 ")
    assert time.monotonic() - began < 5


def test_slow_headers_of_a_later_request_time_out(nano, monkeypatch):
    with connect(nano) as opened:
        opened.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert b"200 OK" in opened.recv(65536)
        monkeypatch.setattr(http_limits, "HEAD_SECONDS", 0.3)
        opened.sendall(b"GET /hea")
        assert "HTTP/1.1 408 " in answer(opened)


def test_slow_headers_within_the_timeout_are_accepted(nano):
    with connect(nano) as opened:
        for byte in b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n":
            opened.sendall(bytes([byte]))
        assert answer(opened).startswith("HTTP/1.1 200 ")


@pytest.mark.parametrize("ends", [True, False])
def test_too_large_headers_are_rejected(nano, ends):
    with connect(nano) as opened:
        head = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-large: " + b"x" * 40_000
        opened.sendall(head + b"\r\n\r\n" * ends)
        assert answer(opened).startswith("HTTP/1.1 431 ")


def test_a_slow_body_times_out(nano, monkeypatch):
    monkeypatch.setattr(middleware, "BODY_SECONDS", 0.5)
    with connect(nano) as opened:
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        opened.sendall(f"{head}content-length: 100\r\n\r\n{{".encode())
        response = answer(opened)
    assert response.startswith("HTTP/1.1 408 ")
    assert json.loads(response.partition("\r\n\r\n")[2])["error"]["type"] == "timeout_error"


def test_a_body_without_a_length_is_limited_in_size(nano):
    def pieces():
        for _ in range(100):
            yield b" " * 100_000

    headers = {"content-type": "application/json"}
    with httpx.Client(base_url=nano.url, timeout=20) as client:
        error(client.post(CHAT, content=pieces(), headers=headers), 413)


@pytest.mark.parametrize("name", ["attacker.example", "attacker.example:8000", "", "localhost.attacker.example"])
def test_requests_with_another_host_header_are_rejected(nano, name):
    with httpx.Client(base_url=nano.url, headers={"host": name}) as client:
        assert "--allowed-host" in error(client.get("models"), 400)["message"]


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST:80", "127.0.0.1:9", "[::1]:8000"])
def test_requests_with_a_local_host_header_are_accepted(nano, name):
    with httpx.Client(base_url=nano.url, headers={"host": name}) as client:
        assert client.get("models").status_code == 200


@pytest.mark.parametrize(
    ("config", "hosts"),
    [
        ({}, ("localhost", "127.0.0.1", "::1", "127.0.0.1")),
        ({"host": "0.0.0.0"}, ("*",)),
        ({"host": "10.0.0.7"}, ("*",)),
        ({"host": "0.0.0.0", "allowed_hosts": ("Storm.Example",)}, ("storm.example",)),
    ],
)
def test_allowed_hosts_of_a_configuration(config, hosts):
    assert ServeConfig(**config).hosts == hosts


def test_host_names_are_parsed_without_the_port():
    assert [host_name(header) for header in ("A.b:1", "[::1]:8", "[::1]", "c", "")] == ["a.b", "::1", "::1", "c", ""]


@pytest.mark.parametrize(
    "content",
    [
        b'{"model":"storm","messages":[{"role":"user","content":"\\ud800 x"}]}',
        b'{"model":"storm","messages":[{"role":"user","content":"\xed\xa0\x80"}]}',
        b'{"model":"storm","messages":' + b"[" * 500_000 + b"]" * 500_000 + b"}",
        b'{"model":"storm","seed":' + b"9" * 3_000_000 + b',"messages":[{"role":"user","content":"x"}]}',
        b'{"model":"storm","messages":[{"role":"user","content":"x"}]',
        json.dumps({"model": "storm", "messages": [USER], **{f"f{number}": 1 for number in range(100_000)}}).encode(),
    ],
    ids=["half a pair", "half a pair in bytes", "nested", "a long number", "cut off", "many fields"],
)
def test_malformed_bodies_are_rejected_fast(nano, content):
    began = time.monotonic()
    with httpx.Client(base_url=nano.url, timeout=20) as client:
        error(client.post(CHAT, content=content, headers={"content-type": "application/json"}), 400)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("words", [4000, 100_000, 1_900_000])
@pytest.mark.parametrize("stream", [True, False])
def test_a_too_long_conversation_gets_openais_error_code(nano, words, stream):
    body = {"model": "storm", "stream": stream, "messages": [{"role": "user", "content": "x " * words}]}
    with httpx.Client(base_url=nano.url, timeout=60) as client:
        problem = error(client.post(CHAT, json=body), 400)
    assert (problem["code"], problem["param"]) == ("context_length_exceeded", "messages")
    assert "Shorten it" in problem["message"]
    assert re.search(r"has \d+ (tokens|characters).* The context has \d+ tokens", problem["message"])


@pytest.mark.parametrize("words", [4000, 100_000])
@pytest.mark.parametrize("stream", [True, False])
def test_the_error_for_a_too_long_response_names_its_field(nano, words, stream):
    body = {"model": "storm", "stream": stream, "input": "x " * words}
    with httpx.Client(base_url=nano.url, timeout=60) as client:
        problem = error(client.post("responses", json=body), 400)
    assert (problem["code"], problem["param"]) == ("context_length_exceeded", "input")


@pytest.mark.parametrize("type", ["refusal", "thinking", "reasoning"])
def test_thoughts_and_refusals_in_earlier_answers_are_ignored(nano, type):
    turn = {"role": "assistant", "content": [{"type": type, type: "hm"}, {"type": "text", "text": "4."}]}
    with httpx.Client(base_url=nano.url, timeout=60) as client:
        chat = client.post(CHAT, json={"model": "storm", "max_tokens": 5, "messages": [USER, turn, USER]})
        assert chat.status_code == 200, chat.text
        error(client.post(CHAT, json={"model": "storm", "messages": [turn | {"role": "user"}]}), 400)
        refused = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}
        body = {"model": "storm", "max_output_tokens": 5, "input": [USER, refused, USER]}
        assert client.post("responses", json=body).status_code == 200


def test_references_to_stored_items_are_rejected(nano):
    with httpx.Client(base_url=nano.url) as client:
        body = {"model": "storm", "input": [{"type": "item_reference", "id": "msg_1"}, USER]}
        found = error(client.post("responses", json=body), 400)
        assert "send the item itself, or previous_response_id" in found["message"]


@pytest.mark.parametrize("page", ["docs", "redoc"])
def test_documentation_pages_load_only_local_files(nano, page):
    root = nano.url.removesuffix("/v1")
    html = httpx.get(f"{root}/{page}").text
    sources = re.findall(r"""(?:src|href)=["']([^"']+)""", html)
    assert sources
    for source in sources:
        assert not source.startswith(("http:", "https:", "//"))
        assert httpx.get(root + source).status_code == 200


def test_large_requests_do_not_delay_other_clients(nano):
    """Health checks are answered meanwhile, and a streaming client gets its tokens."""
    root, waits, stop = nano.url.removesuffix("/v1"), [], threading.Event()

    def look():
        with httpx.Client(base_url=root, timeout=60) as client:
            while not stop.is_set():
                began = time.monotonic()
                client.get("/health")
                waits.append(time.monotonic() - began)
                time.sleep(0.02)

    watcher = threading.Thread(target=look)
    watcher.start()
    large = {"model": "storm", "messages": [{"role": "user", "content": "word " * 700_000}]}
    history = {"model": "storm", "messages": [{"role": "user", "content": "word " * 600}] * 999}
    with httpx.Client(base_url=nano.url, timeout=60) as client:
        for body in (large, history, large, history):
            error(client.post(CHAT, json=body), 400)
    stop.set()
    watcher.join()
    assert (
        statistics.quantiles(waits, n=20)[-1] < 1.0
    )  # Generous: encoding prompts in the event loop took 15 to 73 seconds.
