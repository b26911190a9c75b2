"""If a client disconnects, the model and the program stop, and no request stays open."""

import json
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

pytestmark = pytest.mark.slow


def until(happened, seconds=5.0):
    """Wait until `happened` holds. Return the seconds."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < seconds, "it did not happen"
        time.sleep(0.01)
    return time.monotonic() - began


def begin(served, question, *, stream):
    """Send a question. Return the socket on which the response may arrive."""
    opened = socket.create_connection(("127.0.0.1", httpx.URL(served.url).port))
    body = {"model": "storm", "stream": stream, "messages": [{"role": "user", "content": question}]}
    words = json.dumps(body)
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json"
    opened.sendall(f"{head}\r\ncontent-length: {len(words)}\r\n\r\n{words}".encode())
    return opened


@pytest.mark.parametrize("stream", [True, False])
def test_the_model_stops_when_the_client_disconnects(served, upstream, stream):
    opened = begin(served, "[[endless]]", stream=stream)
    until(lambda: upstream.open and served.running)
    time.sleep(0.2)
    opened.close()
    assert until(lambda: not upstream.open and not served.running) < 1
    assert upstream.ended[-1] == "left"


@pytest.mark.parametrize("stream", [True, False])
def test_the_program_stops_when_the_client_disconnects(served, sandbox_runs, stream):
    opened = begin(served, "[[sleep]]", stream=stream)
    until(lambda: sandbox_runs(served) == 1)
    opened.close()
    assert until(lambda: not sandbox_runs(served) and not served.running) < 1


@pytest.mark.parametrize("stream", [True, False])
def test_a_silent_model_is_cancelled_when_the_client_disconnects(served, upstream, stream):
    opened = begin(served, "[[silent]]", stream=stream)
    until(lambda: upstream.open)
    opened.close()
    until(lambda: not upstream.open and not served.running)


def test_a_stop_string_stops_the_model(served, upstream, ask):
    ended = len(upstream.ended)
    answer = ask("[[chat]] one two three", stop=["two"])
    assert answer.json()["choices"][0]["message"]["content"].endswith("one ")
    until(lambda: len(upstream.ended) > ended and not served.running)


def test_many_random_disconnects_leave_no_request_open(served, upstream, sandbox_runs):
    draws = random.Random(5)
    plays = [(draws.choice(["endless", "sleep", "solve", "silent"]), draws.random() < 0.5) for _ in range(40)]

    def visit(number):
        play, stream = plays[number]
        opened = begin(served, f"[[{play}]]", stream=stream)
        time.sleep(random.Random(number).random())
        opened.close()

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(visit, range(40)))
    assert until(lambda: not upstream.open and not served.running and not sandbox_runs(served)) < 2


def test_the_server_still_works_after_disconnects(ask):
    assert "**120**" in ask("40 hours, 3 each [[solve]]").json()["choices"][0]["message"]["content"]
