"""The server's image, built without a network and run as intended: read-only and unprivileged."""

import socket
import time
from pathlib import Path

import httpx
import pytest
import yaml

from support import docker_test_engine

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


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
    services = compose["services"]
    assert set(services) == {"storm", "vllm", "prometheus"}
    build = services["storm"]["build"]
    assert (ROOT / "docker" / build["context"] / build["dockerfile"]).is_file()
    for name in ("storm", "prometheus"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])
    assert services["vllm"]["profiles"] == ["gpu"]
    mounted = services["prometheus"]["volumes"][0].partition(":")[0]
    scraped = yaml.safe_load((ROOT / "docker" / mounted).read_text())["scrape_configs"][0]
    (target,) = scraped["static_configs"][0]["targets"]
    host, _, port = target.partition(":")
    assert host in services
    assert services[host]["ports"][0].endswith(f":{port}")
    volumes = [volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", ())]
    assert {volume for volume in volumes if not volume.startswith(".")} == set(compose["volumes"])
