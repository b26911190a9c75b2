"""`storm serve` as a process: it starts quickly, goes down in order, and says what is wrong when it can't start."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import httpx
import psutil
import pytest

pytestmark = pytest.mark.slow

STORM = [sys.executable, "-c", "from storm_calm.cli.start import main; main()"]


class Served:
    """A `storm serve` of its own."""

    def __init__(self, *words, **environment):
        self.process = subprocess.Popen(
            [*STORM, "serve", "--port", "0", "--minimum-isolation", "limits", *words],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200", **environment},
        )
        self.said = ""
        while "curl" not in self.said:
            line = self.process.stderr.readline()
            assert line, self.said
            self.said += line
        self.url = re.search(r"at (http://\S+/v1)", self.said)[1]

    def post(self, question, **fields):
        body = {"model": "storm", "messages": [{"role": "user", "content": question}], **fields}
        return httpx.post(f"{self.url}/chat/completions", json=body, timeout=60)

    def later(self, question, **fields):
        """The same in a thread; its list gets the response."""
        got = []
        thread = threading.Thread(target=lambda: got.append(self.post(question, **fields)))
        thread.start()
        return thread, got

    def wait(self):
        code = self.process.wait(40)
        self.said += self.process.stderr.read()
        self.process.stderr.close()
        return code


@pytest.fixture
def serve():
    """A function that starts a server; what is left of it is killed."""
    started = []

    def serve(*words, **environment):
        started.append(Served(*words, **environment))
        return started[-1]

    yield serve
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def children(pid):
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def test_it_answers_within_ten_seconds_of_its_start_without_gpu_or_key(serve, families_question):
    began = time.monotonic()
    served = serve()
    answer = served.post(families_question)
    assert time.monotonic() - began < 10
    assert answer.json()["choices"][0]["message"]["content"]
    assert "no API keys are set" in served.said


def test_on_sigterm_answers_under_way_finish_and_new_ones_hear_503(serve, upstream):
    served = serve("--reasoner", upstream.url, "--solver-seconds", "4")
    ended = len(upstream.ended)
    thread, got = served.later("[[sleep]]")
    while len(upstream.ended) == ended:  # Its program begins then.
        time.sleep(0.01)
    left = children(served.process.pid)
    served.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    refused = served.post("[[chat]]")
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["type"] == "overloaded_error"
    assert httpx.get(served.url.removesuffix("/v1") + "/health").status_code == 503
    thread.join(30)
    assert got[0].status_code == 200
    assert got[0].json()["storm"]["executions"][0]["status"] == "timeout"
    assert served.wait() == 0
    assert left
    assert not [pid for pid in left if os.path.exists(f"/proc/{pid}")]


@pytest.mark.parametrize("how", ["a time limit", "a second signal"])
def test_what_does_not_finish_is_stopped(serve, upstream, how):
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
    ("words", "said"),
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
def test_what_it_cannot_start_with_is_said_in_one_line(words, said):
    done = subprocess.run([*STORM, "serve", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_said(served):
    port = str(httpx.URL(served.url).port)
    done = subprocess.run([*STORM, "serve", "--port", port], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"cannot listen at 127.0.0.1:{port}" in done.stderr
    assert "choose another --port" in done.stderr


def test_a_key_that_was_made_opens_the_server_and_is_in_no_file(serve, tmp_path):
    made = subprocess.run([*STORM, "key", "ana"], capture_output=True, text=True, check=True)
    key = made.stderr.rpartition(" ")[2].strip()
    file = tmp_path / "keys.txt"
    file.write_text(made.stdout)
    assert key not in file.read_text()
    served = serve("--keys", str(file))
    models = f"{served.url}/models"
    assert httpx.get(models).status_code == 401
    assert httpx.get(models, headers={"authorization": f"Bearer {key}"}).status_code == 200
    assert "no API keys are set" not in served.said
