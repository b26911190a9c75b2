"""Live servers: one with the nano model, and one with a scripted upstream."""

import httpx
import openai
import pytest

from storm_calm.env.problems.families import generate
from support.fake_upstream import FakeUpstream
from support.running_server import RunningServer


@pytest.fixture(scope="session")
def upstream():
    with FakeUpstream() as opened:
        yield opened


@pytest.fixture(scope="session")
def served(upstream):
    """Yield the server that uses the upstream."""
    with RunningServer(upstream.url) as live:
        yield live


@pytest.fixture(scope="session")
def nano():
    """Yield the server of the nano model."""
    with RunningServer("nano") as live:
        yield live


@pytest.fixture
def client(served):
    """Yield OpenAI's client, connected to the server that uses the upstream."""
    with openai.OpenAI(base_url=served.url, api_key="none", max_retries=0, timeout=60) as opened:
        yield opened


@pytest.fixture
def post(served):
    """Return a function that posts a body to a path and returns the response."""
    with httpx.Client(base_url=served.url, timeout=60) as opened:

        def post(path, body, **keywords):
            return opened.post(path, json=body, **keywords)

        yield post


@pytest.fixture
def ask(post):
    """Return a function that asks a question by chat, with optional other fields."""

    def ask(question, **fields):
        body = {"model": "storm", "messages": [{"role": "user", "content": question}], **fields}
        return post("/chat/completions", body)

    return ask


@pytest.fixture(scope="session")
def families_question():
    """Return a question that the nano model can work on."""
    return next(generate(["knapsack"], split="heldout", seed=0, limit=1)).question


@pytest.fixture(scope="session")
def sandbox_runs():
    """Return a function that counts the programs running in a server's sandbox."""

    def sandbox_runs(live):
        sandbox = live.agent.sandbox
        return sandbox.workers - sandbox.slots.free_count

    return sandbox_runs
