"""`storm serve` as a process: fast start, graceful shutdown, and errors at startup."""

import os
import signal
import subprocess
import time

import httpx
import psutil
import pytest

from support.serve_process import STORM, ServeProcess

pytestmark = pytest.mark.slow


@pytest.fixture
def serve():
    """Return a function that starts a server. Servers still running after the test are killed."""
    started = []

    def serve(*words, **environment):
        started.append(ServeProcess(*words, **environment))
        return started[-1]

    yield serve
    for one in started:
        one.close()


def children(pid):
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def test_the_server_answers_within_ten_seconds_of_its_start(serve, families_question):
    began = time.monotonic()
    served = serve()
    answer = served.post(families_question)
    assert time.monotonic() - began < 10
    assert answer.json()["choices"][0]["message"]["content"]
    assert "no API keys are set" in served.output


def test_sigterm_finishes_open_requests_and_rejects_new_ones_with_503(serve, upstream):
    served = serve("--reasoner", upstream.url, "--solver-seconds", "4")
    ended = len(upstream.ended)
    thread, got = served.later("[[sleep]]")
    while len(upstream.ended) == ended:  # Then its program starts.
        time.sleep(0.01)
    left = children(served.process.pid)
    served.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    refused = served.post("[[chat]]")
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["type"] == "overloaded_error"
    ready = httpx.get(f"{served.root}/ready")
    assert (ready.status_code, ready.json()["checks"]) == (503, {"running": False})
    assert httpx.get(f"{served.root}/health").json() == {"status": "stopping"}
    thread.join(30)
    assert got[0].status_code == 200
    assert got[0].json()["storm"]["executions"][0]["status"] == "timeout"
    assert served.wait() == 0
    assert left
    assert not [pid for pid in left if os.path.exists(f"/proc/{pid}")]


def test_readiness_fails_before_requests_are_rejected(serve, upstream):
    served = serve("--reasoner", upstream.url, "--unready-seconds", "60")
    ready = httpx.get(f"{served.root}/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert ready.json()["checks"] == {"running": True, "model": True, "sandbox": True, "database": True}
    served.process.send_signal(signal.SIGTERM)
    while httpx.get(f"{served.root}/ready").status_code == 200:
        time.sleep(0.01)
    assert served.post("[[chat]]").status_code == 200
    # A second signal ends the notice, and then nothing is in progress.
    served.process.send_signal(signal.SIGTERM)
    assert served.wait() == 0


@pytest.mark.parametrize("how", ["a time limit", "a second signal"])
def test_requests_over_the_drain_limit_are_stopped(serve, upstream, how):
    served = serve("--reasoner", upstream.url, "--drain-seconds", "0.5" if how == "a time limit" else "60")
    thread, got = served.later("[[endless]]", stream=True)
    before = len(upstream.ended)
    while not upstream.open:
        time.sleep(0.01)
    time.sleep(0.3)
    served.process.send_signal(signal.SIGINT)
    if how == "a second signal":
        time.sleep(0.3)
        served.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert served.wait() in (0, 130)
    assert time.monotonic() - began < 5
    thread.join(5)
    assert '"reasoning":"word ' in got[0].text
    assert got[0].text.endswith("data: [DONE]\n\n")
    assert "the server is shutting down" in got[0].text
    deadline = time.monotonic() + 2
    while len(upstream.ended) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert upstream.ended[-1] == "left"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--reasoner", "http://127.0.0.1:9/v1"], "cannot be reached"),
        (["--reasoner", "gpt-5"], "reasoner 'gpt-5' is unknown"),
        (["--reasoner", "nano", "--reasoner", "http://127.0.0.1:9"], "only URLs of servers"),
        (["--keys", "none.txt"], "none.txt: No such file"),
        (["--api-key", "short"], "--api-key: key 1 has fewer than"),
        (["--reasoning-field", "thoughts"], "is not one of both, reasoning, reasoning_content"),
        (["--host", "256.0.0.1"], "cannot listen at 256.0.0.1"),
        (["--max-running", "0"], "--max-running: 0 is not a whole number of at least 1"),
    ],
)
def test_startup_errors_are_one_line(words, message):
    done = subprocess.run([*STORM, "serve", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_used_port_is_a_startup_error(served):
    port = str(httpx.URL(served.url).port)
    done = subprocess.run([*STORM, "serve", "--port", port], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"cannot listen at 127.0.0.1:{port}" in done.stderr
    assert "choose another --port" in done.stderr


def test_a_generated_key_is_accepted_and_not_stored(serve, tmp_path):
    made = subprocess.run([*STORM, "key", "ana"], capture_output=True, text=True, check=True)
    key = made.stderr.rpartition(" ")[2].strip()
    file = tmp_path / "keys.txt"
    file.write_text(made.stdout)
    assert key not in file.read_text()
    served = serve("--keys", str(file))
    models = f"{served.url}/models"
    assert httpx.get(models).status_code == 401
    assert httpx.get(models, headers={"authorization": f"Bearer {key}"}).status_code == 200
    assert "no API keys are set" not in served.output
