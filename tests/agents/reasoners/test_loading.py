"""A server that loads its model is waited for, with a line of progress, and Ctrl-C ends the wait at once."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from time import monotonic, sleep

import pytest

from storm_calm.agents.reasoners import loading, open_reasoner
from storm_calm.agents.reasoners.async_reasoners import open_async
from storm_calm.agents.reasoners.loading import LoadingWait, is_loading
from storm_calm.env import ReasonerError, Sampling
from support.fake_model_servers import FakeModelServer


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(loading, "PAUSE_SECONDS", 0.01)


@pytest.mark.parametrize("text", ['{"error":{"message":"Loading model","code":503}}', "Model x is currently loading"])
def test_loading_messages_are_recognized(text):
    assert is_loading(503, text)


@pytest.mark.parametrize(
    ("status", "text"), [(500, "Loading model"), (503, "overloaded"), (503, "high load"), (None, "")]
)
def test_other_failures_are_not(status, text):
    assert not is_loading(status, text)


def test_opening_waits_until_the_model_is_loaded(quick, caplog):
    with FakeModelServer("llama.cpp", loading=3) as server, caplog.at_level(logging.WARNING, "storm"):
        reasoner = open_reasoner(server.url)
        assert reasoner.generate("1, 2,", stop=(), max_tokens=1, sampling=Sampling(seed=1)).text == " 3,"
        assert [record.message for record in caplog.records] == [f"waiting for {server.url}: Loading model"]


def test_opening_asynchronously_waits_too(quick):
    async def context(url):
        async with open_async([url]) as reasoner:
            return reasoner.context

    with FakeModelServer("llama.cpp", context=512, loading=3) as server:
        assert asyncio.run(context(server.url)) == 512


def test_cancelling_ends_the_wait_at_once():
    async def cancelled(url):
        async def opened():
            async with open_async([url]):
                raise AssertionError

        task = asyncio.create_task(opened())
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with FakeModelServer("llama.cpp", loading=10**6) as server:
        started = monotonic()
        asyncio.run(cancelled(server.url))
        assert monotonic() - started < 5


def test_the_wait_ends_after_its_time(quick, monkeypatch):
    monkeypatch.setattr(loading, "LOADING_SECONDS", 0.05)
    waiting = LoadingWait("http://server")
    assert waiting.pause(503, "Loading model")
    sleep(0.06)
    assert not waiting.pause(503, "Loading model")


def test_a_refused_connection_is_not_waited_for():
    started = monotonic()
    with pytest.raises(ReasonerError, match="cannot be reached"):
        open_reasoner("http://127.0.0.1:9/v1")
    assert monotonic() - started < 30


@pytest.mark.slow
@pytest.mark.parametrize("command", [("solve", "How many?"), ("doctor",), ("serve", "--port", "0")])
def test_ctrl_c_ends_a_command_that_waits(command):
    with FakeModelServer("llama.cpp", loading=10**6) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", "from storm_calm.cli.start import main; main()", *command, "--reasoner", server.url],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        line = process.stderr.readline()
        while "waiting for" not in line and line:
            line = process.stderr.readline()
        assert f"waiting for {server.url}: Loading model" in line
        process.send_signal(signal.SIGINT)
        # On a busy machine Python takes seconds to exit; the wait would take minutes.
        process.communicate(timeout=60)
        assert process.returncode == 130
