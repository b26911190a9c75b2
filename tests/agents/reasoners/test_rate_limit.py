"""`agents.reasoners.rate_limit`: limits of an endpoint and key, which processes share."""

import os
import subprocess
import sys
import tempfile
from contextlib import closing
from time import monotonic

import pytest

from storm_calm.agents.reasoners import open_reasoner, rate_limit
from storm_calm.agents.reasoners.limits import Limits
from storm_calm.agents.reasoners.rate_limit import RateLimit
from storm_calm.env import Sampling
from storm_calm.sandbox import RunCancelledError
from support.scripted_chat_server import ScriptedChatServer, chat_reply

KEY = "sk-a-very-secret-key-that-no-file-has"
ASK = """
import sys
from storm_calm.agents.reasoners import open_reasoner
from storm_calm.agents.reasoners.limits import Limits
from storm_calm.env import Sampling

reasoner = open_reasoner(sys.argv[1], limits=Limits(requests_per_minute=300))
print("ready", flush=True)
sys.stdin.readline()
prompt = reasoner.render([{"role": "user", "content": "4 hours"}])
for _ in range(15):
    reasoner.generate(prompt, stop=(), max_tokens=20, sampling=Sampling())
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Keep the limits of tests apart from those of the user."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path / f"storm-calm-{os.getuid()}" / "rate_limits"
    tempfile.tempdir = None


class TimedServer(ScriptedChatServer):
    """A chat server that keeps the times of its requests."""

    def __init__(self):
        self.times = []
        super().__init__()

    def answer(self, path, body):
        self.times.append(monotonic())
        return chat_reply({"role": "assistant", "content": "It is \\boxed{1}."}, "stop", stream=True)


class Clock:
    """A clock that moves on when the limit asks for a pause."""

    def __init__(self):
        self.milliseconds = 1_700_000_000_000

    def now(self):
        return self.milliseconds

    def send(self, limit, tokens=0):
        """Wait for the limit; return the time of the request in seconds."""
        for seconds in limit.waits(tokens=tokens):
            self.milliseconds += round(seconds * 1000)
        return self.milliseconds / 1000


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(rate_limit, "WallClock", lambda: clock)
    return clock


def most_in_a_minute(times):
    return max(sum(start <= time < start + 60 for time in times) for start in times)


def test_no_minute_has_more_requests_than_the_limit(clock):
    limit = RateLimit.open("http://a/v1", KEY, requests=40, tokens=None)
    times = [clock.send(limit) for _ in range(150)]
    assert most_in_a_minute(times) <= 40
    assert times[-1] - times[0] < 1.1 * 150 / 40 * 60


def test_no_minute_has_more_tokens_than_the_limit(clock):
    limit = RateLimit.open("http://a/v1", KEY, requests=None, tokens=10_000)
    times = []
    for _ in range(100):
        # A request that is larger than the burst, and its answer.
        times.append(clock.send(limit, tokens=700))
        limit.add(tokens=300)
    assert 9 <= most_in_a_minute(times) <= 10


@pytest.mark.parametrize("other", [("http://b/v1", KEY), ("http://a/v1", "another")])
def test_other_endpoints_and_keys_have_their_own_limit(clock, other):
    limit, free = (RateLimit.open(*where, requests=20, tokens=None) for where in (("http://a/v1", KEY), other))
    assert clock.send(limit) == clock.send(free)
    assert clock.send(limit) > clock.send(free) - 60


def test_files_do_not_contain_the_key(folder):
    limit = RateLimit.open("http://a/v1", KEY, requests=20, tokens=1000)
    assert list(limit.waits(tokens=10)) == []
    files = [path for path in folder.iterdir() if path.is_file()]
    assert files
    assert all(KEY.encode() not in path.read_bytes() and "sk-" not in path.name for path in files)
    assert folder.stat().st_mode & 0o077 == 0


def test_a_folder_of_another_user_is_an_error(folder, monkeypatch):
    folder.mkdir(parents=True)
    monkeypatch.setattr(rate_limit, "user", lambda: os.getuid() + 1)
    (folder.parent.parent / f"storm-calm-{os.getuid() + 1}").mkdir()
    with pytest.raises(PermissionError, match="belongs to another user; set TMPDIR"):
        RateLimit.open("http://a/v1", KEY, requests=20, tokens=None)


@pytest.mark.slow
def test_two_processes_share_the_limit():
    with TimedServer() as server:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", ASK, f"chat:{server.url}"],
                env={**os.environ, "OPENAI_API_KEY": KEY},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            process.communicate(timeout=60)
            assert process.returncode == 0
        times = sorted(server.times)
    assert len(times) == 30
    # 15 at once, and then one each 0.21 seconds; alone each process would send all 15 at once.
    assert times[-1] - times[0] > 0.21 * 15 - 0.5


@pytest.mark.slow
def test_a_wait_for_the_limit_can_be_cancelled():
    with TimedServer() as server:
        reasoner = open_reasoner(f"chat:{server.url}", api_key=KEY, limits=Limits(requests_per_minute=1))
        with closing(reasoner):
            ask = {"prompt": reasoner.render([{"role": "user", "content": "4"}]), "stop": (), "max_tokens": 9}
            reasoner.generate(**ask, sampling=Sampling())
            reasoner.cancel()
            with pytest.raises(RunCancelledError):
                reasoner.generate(**ask, sampling=Sampling())
        assert len(server.times) == 1


def test_models_of_this_machine_have_no_limits():
    with pytest.raises(ValueError, match="a rate limit needs the URL of a server"):
        open_reasoner("nano", limits=Limits(requests_per_minute=1))
