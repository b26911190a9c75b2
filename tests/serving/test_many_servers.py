"""Four server processes with one PostgreSQL database, as behind a load balancer: crashes, limits, restarts, secrets."""

import contextlib
import random
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from support.fake_upstream import FakeUpstream
from support.postgres_server import PASSWORD
from support.serve_process import STORM, ServeProcess

pytestmark = pytest.mark.slow

KEYS = [f"storm-key-{number}-0123456789abcdef" for number in range(9)]
CONVERSATIONS = 200
PER_MINUTE = 100


@pytest.fixture(scope="module")
def quick():
    """Yield a model server that writes quickly."""
    with FakeUpstream(rate=5000) as opened:
        yield opened


@pytest.fixture
def start(quick, tmp_path):
    """Return a function that starts several servers at once with one database."""
    with contextlib.ExitStack() as stack:

        def start(count, database, *words):
            given = ("--reasoner", quick.url, "--workers", "1", "--key-per-minute", str(PER_MINUTE), *words)
            environment = {"STORM_DATABASE": database, "STORM_API_KEYS": ",".join(KEYS)}
            with ThreadPoolExecutor(count) as pool:
                servers = list(pool.map(lambda _: ServeProcess(*given, **environment), range(count)))
            for server in servers:
                stack.callback(server.close)
            return servers

        yield start


class Balancer:
    """Sends requests to servers at random. Like a load balancer, it tries another one if a connection fails."""

    def __init__(self, servers):
        self.servers = servers
        self.failed = 0
        self._http = httpx.Client(timeout=60, limits=httpx.Limits(max_connections=64))

    def post(self, path, body, key):
        for server in random.Random(repr(body)).sample(self.servers, len(self.servers)):
            try:
                return self._http.post(f"{server.url}{path}", json=body, headers={"authorization": f"Bearer {key}"})
            except httpx.TransportError:
                self.failed += 1
        raise AssertionError("no server is left")

    def respond(self, words, key, **fields):
        return self.post("/responses", {"model": "storm", "input": words, **fields}, key)


def test_no_conversation_is_lost_with_a_killed_server_and_limits_hold_for_all_together(start, postgres):
    servers = start(4, postgres.new_database("many"))
    balancer = Balancer(servers)
    answered, killed = [0], threading.Lock()

    def converse(number):
        key, previous, said = KEYS[number % 8], None, []
        for turn in range(2 + number % 2):
            said.append(f"conversation {number} turn {turn}")
            response = balancer.respond(f"{said[-1]} [[chat]]", key, previous_response_id=previous)
            assert response.status_code == 200, response.text
            body = response.json()
            text = body["output"][-1]["content"][0]["text"]
            assert all(words in text for words in said), (said, text)
            previous = body["id"]
            answered[0] += 1
            if answered[0] > CONVERSATIONS and killed.acquire(blocking=False):
                servers[1].process.kill()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(converse, range(CONVERSATIONS)))
    assert servers[1].process.wait(10) < 0
    assert balancer.failed

    # The requests of one key to the other servers, in parallel.
    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(lambda n: balancer.respond(f"[[chat]] {n}", KEYS[8]).status_code, range(PER_MINUTE + 30)))
    assert (codes.count(200), codes.count(429)) == (PER_MINUTE, 30)
    refused = balancer.respond("[[chat]]", KEYS[8])
    assert 1 <= int(refused.headers["retry-after"]) <= 60

    # One finds neither passwords nor keys in their logs.
    for server in servers:
        server.process.terminate()
        server.wait()
        assert PASSWORD not in server.output
        assert "not-for-logs" not in server.output
        assert not any(key in server.output for key in KEYS)
        assert f"storm:***@127.0.0.1:{postgres.port}/many" in server.output


def test_servers_answer_again_after_a_restart_of_the_database(start, postgres, quick):
    database = postgres.new_database("restarted")
    (server,) = start(1, database)
    balancer = Balancer([server])
    first = balancer.respond("before [[chat]]", KEYS[0]).json()
    with ThreadPoolExecutor(4) as pool:
        # A short restart only delays answers, also while they are written.
        during = [pool.submit(balancer.respond, f"during {n} [[solve]]", KEYS[n]) for n in range(4)]
        while len(quick.asked) < 4:
            time.sleep(0.01)
        postgres.stop()
        postgres.start()
        assert [one.result().status_code for one in during] == [200] * 4

        postgres.stop("immediate")
        pending = pool.submit(balancer.respond, "without [[chat]]", KEYS[0])
        ready = httpx.get(f"{server.root}/ready", timeout=30)
        assert (ready.status_code, ready.json()["checks"]["database"]) == (503, False)
        assert httpx.get(f"{server.root}/health").status_code == 200
        refused = pending.result()
        postgres.start()
    assert refused.status_code == 503
    assert refused.json()["error"] == {
        "message": "the database of this server does not answer; retry",
        "type": "overloaded_error",
        "param": None,
        "code": "database_error",
    }
    assert int(refused.headers["retry-after"]) >= 1
    after = balancer.respond("after [[chat]]", KEYS[0], previous_response_id=first["id"])
    assert after.status_code == 200
    assert "before [[chat]]" in after.text
    assert httpx.get(f"{server.root}/ready").status_code == 200
    server.process.terminate()
    server.wait()
    assert server.output.count("does not answer") == 1
    assert "the database answers again" in server.output
    assert PASSWORD not in server.output
    assert "Traceback" not in server.output


def test_answers_in_the_background_are_finished_before_a_server_stops(start, postgres):
    database = postgres.new_database("stopped")
    (server,) = start(1, database, "--solver-seconds", "2")
    started = Balancer([server]).respond("[[sleep]]", KEYS[0], background=True).json()
    assert started["status"] == "in_progress"
    server.process.terminate()
    assert server.wait() == 0
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT convert_from(body, 'UTF8') FROM storm.responses").fetchall()
        assert connection.execute("SELECT count(*) FROM storm.servers").fetchone() == (0,)
    assert '"status":"completed"' in rows[0][0]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "postgresql://storm:s3cret%2Fword@127.0.0.1:9/storm",
            "storm:***@127.0.0.1:9/storm cannot be used: connection",
        ),
        ("mysql://storm:s3cret%2Fword@db/storm", "STORM_DATABASE: not the URL of a PostgreSQL database"),
        ("postgresql://storm:s3cret/word@db/storm", "STORM_DATABASE: not the URL of a database"),
        ("postgresql://db/storm?password=s3cret%2Fword&nonsense=1", "db/storm cannot be used"),
    ],
)
def test_a_wrong_database_is_an_error_at_startup_without_the_password(url, words, monkeypatch):
    monkeypatch.setenv("STORM_DATABASE", url)
    done = subprocess.run([*STORM, "serve", "--port", "0"], capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "s3cret" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
