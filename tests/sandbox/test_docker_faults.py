"""Behaviour of the "docker" sandbox when its containers, its engine or its owner are lost."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import docker
import pytest

from storm_calm.sandbox import Cancellation, Limits, RunCancelledError, SandboxUnavailableError, open_sandbox
from storm_calm.sandbox.backends.docker import DockerSandbox
from storm_calm.sandbox.backends.docker_engine import LABEL, DockerEngine

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(seconds=10, memory_mb=512)


@pytest.fixture(scope="module")
def client(docker_image):
    return docker.from_env()


@pytest.fixture
def single(docker_image):
    with open_sandbox("docker", image=docker_image, workers=1, limits=LIMITS) as sandbox:
        yield sandbox


def containers(client):
    """Return the ids of all containers of this project."""
    return {container["Id"] for container in client.api.containers(all=True, filters={"label": LABEL})}


def settles(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def in_the_background(action):
    """Start `action` in a thread. Return a list that receives its result or exception, and the thread."""
    results = []

    def run():
        try:
            results.append(action())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return results, thread


class Relay:
    """A TCP proxy to the engine that can be disconnected."""

    def __init__(self, target):
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self._pairs = []
        self.up = True
        self.silent = False
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self):
        return f"tcp://127.0.0.1:{self._server.getsockname()[1]}"

    def cut(self):
        self.up = False
        for end in [end for pair in self._pairs for end in pair]:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self):
        self.cut()
        self._server.close()

    def _serve(self):
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if not self.up:
                near.close()
                continue
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            self._pairs.append((near, far))
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near, far):
        with near, far:
            while True:
                for source in select.select([near, far], [], [])[0]:
                    try:
                        data = source.recv(1 << 16)
                    except OSError:
                        data = b""
                    if not data:
                        return
                    if not self.silent:
                        (far if source is near else near).sendall(data)


@pytest.fixture
def relay(docker_image, monkeypatch):
    address = docker.from_env().api.base_url
    path = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not path.startswith("unix://"):
        pytest.skip(f"the engine is at {address}, not on this machine")
    relay = Relay(path.removeprefix("unix://"))
    monkeypatch.setenv("DOCKER_HOST", relay.address)
    yield relay
    relay.close()


def test_a_container_killed_during_a_program_is_replaced_and_the_program_retried(single, client):
    first = single.open_workers[0].container_id
    results, thread = in_the_background(lambda: single.run("import time; time.sleep(1); print('done')"))
    assert settles(lambda: single.slots.free_count == 0)
    client.api.kill(first)
    thread.join()
    assert results[0].stdout == "done\n"
    assert single.open_workers[0].container_id != first
    assert first not in containers(client)


def test_a_session_survives_the_loss_of_its_container(single, client):
    with single.session() as session:
        session.run("x = 20")
        client.api.kill(single.open_workers[0].container_id)
        execution = session.run("print(x + 1)")
    assert (execution.stdout, execution.replayed) == ("21\n", 1)


def test_an_unresponsive_container_is_replaced(single, client, monkeypatch):
    monkeypatch.setattr("storm_calm.sandbox.backends.remote.GRACE_SECONDS", 1.0)
    client.api.pause(single.open_workers[0].container_id)
    assert single.run("print('done')", limits=Limits(seconds=1, memory_mb=512)).stdout == "done\n"


@pytest.mark.alone
def test_cancelling_a_program_removes_its_container_without_a_retry(single, client):
    with single.session() as session:
        session.run("x = 1")
        for run in (single.run, session.run):
            run("pass")
            first = single.open_workers[0].container_id
            cancellation = Cancellation()
            results, thread = in_the_background(
                lambda run=run, word=cancellation: run("x = 2\nwhile True: pass", cancellation=word)
            )
            time.sleep(0.5)
            begin = time.monotonic()
            cancellation.cancel()
            thread.join()
            assert time.monotonic() - begin < 1.0
            assert isinstance(results[0], RunCancelledError)
            assert first not in containers(client)
        assert session.run("print(x)", cancellation=Cancellation()).stdout == "1\n"


def test_repeated_loss_of_the_container_is_a_sandbox_error(single, client):
    code = "import time; time.sleep(5)"
    results, thread = in_the_background(lambda: single.run(code))
    killed = set()
    while thread.is_alive():
        for worker in single.open_workers:
            if worker.container_id not in killed:
                killed.add(worker.container_id)
                client.api.kill(worker.container_id)
        time.sleep(0.01)
    assert isinstance(results[0], SandboxUnavailableError)
    assert "lost twice" in str(results[0])
    assert "exit code 137" in str(results[0])
    assert single.run("print('fine')").stdout == "fine\n"


def test_losing_the_engine_is_a_sandbox_error_until_it_returns(docker_image, client, relay):
    before = containers(client)
    with open_sandbox("docker", image=docker_image, workers=1, limits=LIMITS) as sandbox:
        assert sandbox.run("print('over tcp')").stdout == "over tcp\n"
        (first,) = containers(client) - before
        relay.cut()
        with pytest.raises(SandboxUnavailableError, match=r"Docker engine .* DOCKER_HOST"):
            sandbox.run("print('no')")
        # No client could remove it, but it has detected the loss of its owner.
        assert settles(lambda: client.containers.get(first).status == "exited")
        relay.up = True
        assert sandbox.run("print('again')").stdout == "again\n"
    with open_sandbox("docker", image=docker_image, workers=1, limits=LIMITS):
        assert first not in containers(client)
    assert containers(client) == before


def test_error_for_a_missing_engine_has_the_fix(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(SandboxUnavailableError, match=r"Docker engine .*`systemctl start docker`"):
        open_sandbox("docker")


def test_error_for_the_missing_docker_package_has_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(SandboxUnavailableError, match=r"pip install 'storm-calm\[docker\]'"):
        open_sandbox("docker")


def test_error_for_a_missing_image_has_the_build_command(docker_image):
    command = "docker build -f docker/Dockerfile.sandbox -t storm-nothing ."
    with pytest.raises(SandboxUnavailableError, match=f"no image 'storm-nothing'.*`{command}`"):
        open_sandbox("docker", image="storm-nothing")


def test_an_image_without_a_worker_is_an_error(docker_image, client):
    base = client.images.get(docker_image).attrs["Parent"]
    while client.images.get(base).attrs["Config"].get("Entrypoint"):
        base = client.images.get(base).attrs["Parent"]
    before = containers(client)
    with pytest.raises(SandboxUnavailableError, match=r"reports an error|did not start"):
        open_sandbox("docker", image=base)
    assert containers(client) == before


def test_error_for_an_unknown_runtime_lists_the_known_ones(docker_image):
    with pytest.raises(SandboxUnavailableError, match=r"no runtime 'fast', only .*runc"):
        open_sandbox("docker", image=docker_image, runtime="fast")


@pytest.fixture
def runc_plays_gvisor(monkeypatch):
    """Emulate an engine whose containers have no Landlock if the runtime "runc" is given explicitly."""
    hardening = DockerSandbox._hardening
    refused = {"names": ["landlock_create_ruleset", "landlock_restrict_self"], "action": "SCMP_ACT_ERRNO"}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refused]}

    def without_landlock(sandbox, room):
        options = hardening(sandbox, room)
        if sandbox._runtime == "runc":
            options["security_opt"].append(f"seccomp={json.dumps(profile)}")
        return options

    monkeypatch.setattr(DockerSandbox, "_hardening", without_landlock)


def test_a_runtime_without_landlock_is_an_error_if_landlock_is_required(docker_image, client, runc_plays_gvisor):
    before = containers(client)
    with pytest.raises(
        SandboxUnavailableError, match=r"isolation level 'limits', below minimum_isolation 'landlock'.*Landlock"
    ):
        open_sandbox("docker", image=docker_image, workers=1, runtime="runc")
    assert containers(client) == before
    with open_sandbox("docker", image=docker_image, workers=1, runtime="runc", minimum_isolation="limits") as sandbox:
        assert sandbox.isolation == "limits"
        assert "Landlock" in " ".join(sandbox.missing)
        assert sandbox.run("print(1)").isolation == "limits"


def test_runsc_is_skipped_if_its_isolation_is_too_low(docker_image, client, runc_plays_gvisor, monkeypatch):
    before = containers(client)
    monkeypatch.setattr(DockerEngine, "runtimes", lambda engine, wanted: ["runc", None])
    with open_sandbox("docker", image=docker_image, workers=1, limits=LIMITS) as sandbox:
        assert sandbox.isolation == "full"
        assert sandbox.run("print(1)").stdout == "1\n"
    with open_sandbox("docker", image=docker_image, workers=1, limits=LIMITS, minimum_isolation="limits") as sandbox:
        assert sandbox.isolation == "limits"
    assert containers(client) == before


def test_runsc_is_preferred_if_the_engine_has_it(docker_image):
    engine = DockerEngine()
    engine.info["Runtimes"] = {"runc": {}, "runsc": {}}
    assert engine.runtimes(None) == ["runsc", None]
    assert engine.runtimes("runc") == ["runc"]


def test_a_lower_isolation_can_be_requested(docker_image):
    with open_sandbox("docker", image=docker_image, workers=1, isolation="landlock") as sandbox:
        assert sandbox.isolation == "landlock"
        assert sandbox.missing == ("the caller asked for no more than isolation level 'landlock'",)


def test_only_containers_of_killed_owners_are_swept(docker_image, client, single):
    others = containers(client)
    script = f"""
    import threading, time
    from storm_calm.sandbox import Limits, open_sandbox
    sandbox = open_sandbox("docker", image={docker_image!r}, workers=1)
    run = lambda: sandbox.run("import time; time.sleep(60)", limits=Limits(seconds=90))
    threading.Thread(target=run).start()
    while sandbox.slots.free_count: time.sleep(0.01)
    print("running", flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout.readline() == "running\n"
        left = containers(client) - others
        assert len(left) == 1
        with open_sandbox("docker", image=docker_image, workers=1, limits=LIMITS):
            assert left <= containers(client)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    with open_sandbox("docker", image=docker_image, workers=1, limits=LIMITS):
        assert not left & containers(client)
    assert single.run("print('fine')").stdout == "fine\n"
    assert containers(client) == others
