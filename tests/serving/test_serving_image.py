"""The server's image, built without a network and run as intended: read-only and unprivileged."""

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import yaml

from support import docker_test_engine
from support.compose_services import ComposeServices
from support.docker_service_images import build_service_images

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "What is the capital of France?"
"""The nano model answers at once that it does not know it."""


@pytest.fixture(scope="module")
def client():
    try:
        with docker_test_engine.running_engine() as opened:
            yield opened
    except docker_test_engine.ImpossibleError as error:
        pytest.skip(f"impossible here: {error}")
    except docker_test_engine.NoEngineError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def image(client):
    return docker_test_engine.build_serving_image(client)


@pytest.fixture
def container(client, image):
    """Run a server with one key as compose.yaml does, except on this machine's network, as the engine has none."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    started = client.containers.run(
        image,
        ["--port", str(port)],
        detach=True,
        network_mode="host",
        read_only=True,
        tmpfs={"/scratch": "size=1g,mode=1777"},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=1024,
        mem_limit="6g",
        environment={"STORM_API_KEYS": "storm-in-a-container-0123"},
    )
    started.url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"{started.url}/health").raise_for_status()
            break
        except httpx.HTTPError:
            started.reload()
            assert started.status in ("created", "running"), started.logs().decode()
            assert time.monotonic() < deadline, started.logs().decode()
            time.sleep(0.1)
    yield started
    started.remove(force=True)


@pytest.mark.timeout(600)
def test_the_server_image_solves_a_problem_and_shuts_down(container, families_question):
    headers = {"authorization": "Bearer storm-in-a-container-0123"}
    body = {"model": "storm", "messages": [{"role": "user", "content": families_question}], "seed": 1}
    assert httpx.post(f"{container.url}/v1/chat/completions", json=body).status_code == 401
    executions = []
    for seed in range(3):
        asked = {"json": {**body, "seed": seed}, "headers": headers, "timeout": 60}
        executions += httpx.post(f"{container.url}/v1/chat/completions", **asked).json()["storm"]["executions"]
    assert any(execution["status"] == "ok" and execution["reports"] for execution in executions)

    inside = "import os; print(os.getuid(), os.access('/', os.W_OK), os.access('/wheels', os.W_OK))"
    assert container.exec_run(["python", "-c", inside]).output.decode().split() == ["1000", "False", "False"]
    probe = container.attrs["Config"]["Healthcheck"]["Test"][-1]
    probe = probe.replace(":8000", f":{httpx.URL(container.url).port}")
    assert container.exec_run(["python", "-c", probe]).exit_code == 0

    began = time.monotonic()
    container.kill("SIGTERM")
    assert container.wait(timeout=30)["StatusCode"] == 0
    assert time.monotonic() - began < 10
    assert "storm-in-a-container-0123" not in container.logs().decode()


def test_compose_refers_to_existing_images_files_and_services():
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    department = yaml.safe_load((ROOT / "docker" / "compose.department.yaml").read_text())
    services = compose["services"]
    assert set(services) == {"storm", "vllm", "prometheus"}
    assert set(department["services"]) == {"storm", "balancer", "database", "vllm", "prometheus"}
    for file in (compose, department):
        for name, service in file["services"].items():
            if "extends" in service:
                assert service["extends"] == {"file": "compose.yaml", "service": name}
                service = services[name]
            build = service.get("build")
            assert build is None or (ROOT / "docker" / build["context"] / build["dockerfile"]).is_file()
            # An image of this repository has its own health check.
            assert build or service["healthcheck"]
            assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
            if name == "vllm":
                assert service["profiles"] == ["gpu"]
            else:
                assert service["read_only"] is True
                assert service["cap_drop"] == ["ALL"]
            for volume in service.get("volumes", ()):
                source = volume.partition(":")[0]
                assert (ROOT / "docker" / source).is_file() if source.startswith(".") else source in file["volumes"]
    scraped = yaml.safe_load((ROOT / "docker" / "prometheus.yml").read_text())["scrape_configs"]
    assert {one["dns_sd_configs"][0]["names"][0] for one in scraped} == {"storm", "balancer"}


class Load:
    """Clients that send requests to the balancer all the time, one continuing conversations."""

    def __init__(self, url, keys):
        self._url, self._stop = url, threading.Event()
        self.answers = []
        """The status of each answer, or its error."""
        # Several, since each may send 600 requests a minute.
        self._keys = itertools.cycle(keys)
        kinds = (self._chat, self._stream, self._converse)
        self._threads = [threading.Thread(target=self._run, args=(kind,)) for kind in kinds]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, kind):
        with httpx.Client(base_url=self._url, timeout=60) as http:
            while not self._stop.is_set():
                http.headers["authorization"] = f"Bearer {next(self._keys)}"
                try:
                    self.answers.append(kind(http))
                except Exception as error:
                    self.answers.append(repr(error))

    def _chat(self, http):
        body = {"model": "storm", "messages": [{"role": "user", "content": QUESTION}]}
        return http.post("/v1/chat/completions", json=body).status_code

    def _stream(self, http):
        body = {"model": "storm", "messages": [{"role": "user", "content": QUESTION}], "stream": True}
        text = http.post("/v1/chat/completions", json=body).text
        return 200 if text.endswith("data: [DONE]\n\n") and '"error"' not in text else text

    def _converse(self, http):
        first = http.post("/v1/responses", json={"model": "storm", "input": QUESTION})
        if first.status_code != 200:
            return first.text
        body = {"model": "storm", "input": QUESTION, "previous_response_id": first.json()["id"]}
        return http.post("/v1/responses", json=body).status_code


@pytest.fixture
def department(client, image, monkeypatch):
    """Yield the services of a department with two servers, all healthy."""
    environment = {
        "STORM_DATABASE_PASSWORD": "not-for-logs-0123456789",
        "STORM_API_KEYS": ",".join(f"storm-in-a-department-{number:02}" for number in range(20)),
        "STORM_SERVERS": "2",
        "TEST_SERVING_IMAGE": image,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    services = ComposeServices(client, ROOT / "docker" / "compose.department.yaml")
    images = {"haproxy": "balancer", "postgres": "database", "prometheus": "prometheus"}
    build_service_images(client, {name: services.services[service]["image"] for name, service in images.items()})
    try:
        for name in ("database", "storm", "balancer", "prometheus"):
            services.up(name)
            services.wait_healthy(name)
        yield services
    finally:
        services.down()


@pytest.mark.timeout(900)
def test_a_rolling_restart_of_the_servers_of_a_department_fails_no_request(department):
    old = {one.id for one in department.containers("storm")}
    assert len(old) == 2
    url = f"http://{department.address('balancer')}:8000"
    assert httpx.get(f"{url}/metrics").status_code == 404
    tool = [sys.executable, ROOT / "tests" / "support" / "compose_services.py", department.file]
    with Load(url, os.environ["STORM_API_KEYS"].split(",")) as load:
        done = subprocess.run(
            [ROOT / "docker" / "rolling_restart.sh"],
            env={**os.environ, "COMPOSE": " ".join(map(str, tool))},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    assert "2 servers are new" in done.stdout
    assert not {one.id for one in department.containers("storm")} & old
    assert len(load.answers) > 10
    assert set(load.answers) == {200}

    # Prometheus finds all servers and the balancer by their names.
    targets = f"http://{department.address('prometheus')}:9090/api/v1/targets"
    deadline = time.monotonic() + 60
    while True:
        active = httpx.get(targets).json()["data"]["activeTargets"]
        if sorted(one["labels"]["job"] for one in active if one["health"] == "up") == ["balancer", "storm", "storm"]:
            break
        assert time.monotonic() < deadline, active
        time.sleep(0.2)
    for name in ("storm", "database", "balancer"):
        for container in department.containers(name):
            assert "not-for-logs" not in container.logs().decode()
            assert "in-a-department" not in container.logs().decode()
