"""Every route of `langgraph dev`, and who may call it. It grows with the package, so a new one must be looked at here.

No route of LangGraph has keys: who reaches the port may call it. Needs `pip install storm-calm[studio]`.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from support.langgraph_dev_server import HOUSE, QUIET, DevServer

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("langgraph_api") is None, reason="needs the extra studio")]

KEY = "a-key-for-the-tests-only"

WITH_KEYS = {"/v1/{path:path}": ""}
"""Callers with a key of STORM_API_KEYS; all if there is none."""
READ_ONLY = {"/": "GET", "/ok": "GET", "/info": "GET", "/metrics": "GET", "/docs": "GET", "/openapi.json": "GET"}
"""All callers. They learn about the server, not about its threads."""
ALL = {
    "/assistants": "POST",
    "/assistants/search": "POST",
    "/assistants/count": "POST",
    "/assistants/{assistant_id}": "DELETE GET PATCH",
    "/assistants/{assistant_id}/latest": "POST",
    "/assistants/{assistant_id}/versions": "POST",
    "/assistants/{assistant_id}/graph": "GET",
    "/assistants/{assistant_id}/schemas": "GET",
    "/assistants/{assistant_id}/subgraphs": "GET",
    "/assistants/{assistant_id}/subgraphs/{namespace}": "GET",
    "/runs": "POST",
    "/runs/stream": "POST",
    "/runs/wait": "POST",
    "/runs/batch": "POST",
    "/runs/cancel": "POST",
    "/runs/crons": "POST",
    "/runs/crons/search": "POST",
    "/runs/crons/count": "POST",
    "/runs/crons/{cron_id}": "DELETE GET PATCH",
    "/threads": "POST",
    "/threads/search": "POST",
    "/threads/count": "POST",
    "/threads/prune": "POST",
    "/threads/{thread_id}": "DELETE GET PATCH",
    "/threads/{thread_id}/copy": "POST",
    "/threads/{thread_id}/commands": "POST",
    "/threads/{thread_id}/history": "GET POST",
    "/threads/{thread_id}/state": "GET POST",
    "/threads/{thread_id}/state/checkpoint": "POST",
    "/threads/{thread_id}/state/{checkpoint_id}": "GET",
    "/threads/{thread_id}/storage": "GET",
    "/threads/{thread_id}/stream": "GET",
    "/threads/{thread_id}/stream/events": "POST websocket",
    "/threads/{thread_id}/runs": "GET POST",
    "/threads/{thread_id}/runs/stream": "POST",
    "/threads/{thread_id}/runs/wait": "POST",
    "/threads/{thread_id}/runs/crons": "POST",
    "/threads/{thread_id}/runs/{run_id}": "DELETE GET",
    "/threads/{thread_id}/runs/{run_id}/cancel": "POST",
    "/threads/{thread_id}/runs/{run_id}/join": "GET",
    "/threads/{thread_id}/runs/{run_id}/stream": "GET",
    "/store/items": "DELETE GET PUT",
    "/store/items/search": "POST",
    "/store/namespaces": "POST",
}
"""All callers: they run the graphs, and read and change all threads."""
BLOCKED = {
    "/deploy": "GET POST",
    "/deploy/{operation_id}/stream": "GET",
    "/internal/truncate": "POST",
    "/internal/debug/thread/{thread_id}": "GET",
}
"""No caller: `serving.studio` answers 404."""


def test_every_route_is_known_with_who_may_call_it():
    script = HOUSE / "tests" / "support" / "langgraph_routes.py"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STORM_")}
    printed = subprocess.run(
        [sys.executable, str(script)],
        cwd=HOUSE,
        env={**kept, **QUIET},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    ).stdout
    found = {}
    for line in printed.splitlines():
        if line.startswith('["'):
            kind, path, methods = json.loads(line)
            words = found.setdefault(path, set())
            words |= {*methods} - {"HEAD"} if kind == "http" else {"websocket"}
    known = {**WITH_KEYS, **READ_ONLY, **ALL, **BLOCKED}
    assert {path: " ".join(sorted(words)) for path, words in found.items()} == known
    assert not [path for path in found if path.startswith(("/mcp", "/a2a", "/ui"))]


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    """Yield the server, with a key for the API."""
    with DevServer(tmp_path_factory.mktemp("dev") / "log", STORM_API_KEYS=KEY) as server:
        yield server


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/a2a/storm", "/.well-known/agent-card.json", "/ui/storm"])
def test_routes_that_are_turned_off_are_404(dev, path):
    assert httpx.get(dev.url + path).status_code == 404
    assert httpx.post(dev.url + path, json={}).status_code == 404


@pytest.mark.parametrize(("path", "methods"), BLOCKED.items())
def test_blocked_routes_are_404(dev, path, methods):
    for method in methods.split():
        answer = httpx.request(method, dev.url + path.replace("{", "").replace("}", ""))
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


def test_only_the_routes_of_the_api_need_a_key(dev):
    assert httpx.get(f"{dev.url}/v1/models").status_code == 401
    assert httpx.get(f"{dev.url}/v1/models", headers={"authorization": f"Bearer {KEY}"}).status_code == 200
    assert {path: httpx.get(dev.url + path).status_code for path in READ_ONLY} == dict.fromkeys(READ_ONLY, 200)
    assert httpx.post(f"{dev.url}/threads/search", json={}).json() == []


def test_only_pages_of_studio_may_read_answers(dev):
    def allowed(origin):
        headers = {"origin": origin, "access-control-request-method": "POST"}
        answer = httpx.options(f"{dev.url}/runs/wait", headers=headers)
        return answer.headers.get("access-control-allow-origin")

    assert allowed("https://smith.langchain.com") == "https://smith.langchain.com"
    assert allowed("https://example.org") is None


def test_the_routes_without_keys_are_in_the_docs():
    text = (Path(HOUSE) / "docs" / "studio.md").read_text()
    groups = {"/" + path.split("/")[1] for path in {**ALL, **READ_ONLY, **BLOCKED}} - {"/"}
    assert [group for group in sorted(groups) if f"`{group}" not in text] == []
    assert "`/mcp`" in text
    assert "`/a2a`" in text
