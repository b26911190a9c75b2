"""`langgraph dev` serves both machines, and runs them from a question alone. Needs `pip install storm-calm[studio]`.

    STORM_REASONER=http://localhost:8000/v1 langgraph dev
    curl localhost:2024/runs/wait -H 'content-type: application/json' \\
        -d '{"assistant_id": "storm", "input": {"messages": [{"role": "user", "content": "A workshop ..."}]}}'
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError

import pytest
from actor import overruling, workshop
from endpoint import Endpoint

pytestmark = pytest.mark.skipif(find_spec("langgraph_api") is None, reason="needs the extra studio")

HOUSE = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """The address of `langgraph dev`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("studio") / "log"
    quiet = {"LANGGRAPH_NO_VERSION_CHECK": "1", "LANGGRAPH_CLI_NO_ANALYTICS": "1"}
    with Endpoint(overruling) as endpoint, log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload", "--port", str(port)],
            cwd=HOUSE,
            env={**os.environ, **quiet, "STORM_REASONER": endpoint.url},
            stdout=output,
            stderr=output,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(120):
                assert process.poll() is None, log.read_text()
                try:
                    urllib.request.urlopen(f"{url}/ok", timeout=5)
                    break
                except URLError:
                    time.sleep(0.5)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)


def ask(url, data=None):
    request = urllib.request.Request(url, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, json.dumps(data).encode() if data is not None else None, timeout=60) as reply:
        return json.load(reply)


@pytest.mark.parametrize(("machine", "answer"), [("calm", 42.0), ("storm", 7.0)])
def test_a_machine_runs_from_a_question_in_a_message(studio, machine, answer):
    question = {"messages": [{"role": "user", "content": workshop(14).question}]}
    state = ask(f"{studio}/runs/wait", {"assistant_id": machine, "input": question})
    assert state["answer"]["value"] == answer
    assert [message["type"] for message in state["messages"]][:2] == ["human", "ai"]


def test_a_chat_can_be_held_with_either(studio):
    for assistant in ask(f"{studio}/assistants/search", {}):
        schemas = ask(f"{studio}/assistants/{assistant['assistant_id']}/schemas")
        assert "messages" in json.dumps(schemas["input_schema"])
