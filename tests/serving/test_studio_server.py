"""`langgraph dev` serves both graphs to Studio, with review by a person and time travel, and the API.

Needs `pip install storm-calm[studio]`, and Chromium for the API documentation page.
"""

import html.parser
import json
import shutil
import subprocess
from importlib.util import find_spec

import httpx
import openai
import pytest
from langgraph_sdk import get_sync_client

from storm_calm.agents.graphs.golden import OUTCOMES
from storm_calm.env.problems.families import generate
from storm_calm.env.serialize import to_json
from support.langgraph_dev_server import DevServer

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("langgraph_api") is None, reason="needs the extra studio")]

KEY = "a-key-for-the-tests-only"
(PROBLEM,) = generate(["knapsack"], split="heldout", seed=7, limit=1)
QUESTION = {"messages": [{"role": "user", "content": PROBLEM.question}]}


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    """Yield the server, with the nano model and a key for the API."""
    with DevServer(tmp_path_factory.mktemp("dev") / "log", STORM_API_KEYS=KEY) as server:
        yield server


@pytest.fixture(scope="module")
def studio(dev):
    """Return the client that Studio uses."""
    with get_sync_client(url=dev.url) as client:
        yield client


@pytest.fixture
def thread(studio):
    return studio.threads.create()["thread_id"]


def test_a_chat_is_answered_and_streamed(studio, thread):
    modes = ["custom", "values"]
    parts = [*studio.runs.stream(thread, "storm", input=QUESTION, stream_mode=modes)]
    written = [part.data for part in parts if part.event == "custom"]
    tokens = [event["text"] for event in written if event["source"] == "model"]
    assert len(tokens) > 50
    state = parts[-1].data
    assert state["episode"]["executions"]
    tools = [event["execution"] for event in written if event["source"] == "tool"]
    assert tools == state["episode"]["executions"]
    answer, plan = state["messages"][-2:]
    assert state["answer"]["text"] in answer["content"]
    assert (plan["name"], state["examination"]["check"]["outcome"]) == ("examiner", "passed")
    assert "Checked: the plan keeps all limits of its model" in plan["content"]
    shown = [(message["type"], message["name"]) for message in state["messages"]]
    assert shown[:3] == [("human", None), ("ai", None), ("ai", "sandbox")]
    assert "".join(one["content"] for one in state["messages"] if one["name"] is None).endswith("".join(tokens))


def test_a_chat_continues_with_a_second_question(studio, thread):
    first = studio.runs.wait(thread, "storm", input=QUESTION)
    (other,) = generate(["assignment"], split="heldout", seed=7, limit=1)
    second = studio.runs.wait(thread, "storm", input={"messages": [{"role": "user", "content": other.question}]})
    assert second["messages"][:5] == first["messages"]
    assert second["messages"][5]["content"] == other.question
    assert second["episode"]["problem"]["question"] == other.question
    assert second["answer"] is not None
    assert second["answer"] != first["answer"]


def test_calm_answers_a_question_with_the_rules_as_intervener(studio, thread):
    state = studio.runs.wait(thread, "calm", input=QUESTION)
    assert (state["intervener"], state["outcome"]) == ("rules", "unscored")
    assert state["messages"][0]["content"] == PROBLEM.question


def test_an_invalid_form_is_rejected_and_a_valid_one_inserts_its_hint(studio, thread):
    question = {"problem": to_json(PROBLEM), "seed": 1}
    state = studio.runs.wait(thread, "calm", input=question, context={"intervener": "person"})
    (waiting,) = state["__interrupt__"]
    shown = waiting["value"]
    assert studio.threads.get(thread)["status"] == "interrupted"
    assert set(waiting["response_schema"]["properties"]) == set(shown["form"])
    form = {"decision": "intervene", "trigger": "wrong_formulation", "quote": shown["text"][:40]}
    (again,) = studio.runs.wait(thread, "calm", command={"resume": form})["__interrupt__"]
    assert again["value"] == {**shown, "wrong": ["hint: give one or two sentences in the reasoner's own voice"]}
    form["hint"] = "Wait, the objective points the wrong way. I should read again what is asked."
    state = studio.runs.wait(thread, "calm", command={"resume": form})
    (intervention,) = state["episode"]["interventions"]
    assert (intervention["hint"], intervention["finding"]["rule"]) == (form["hint"], "person")
    assert intervention["cut"] == shown["offset"]
    for _ in range(10):
        if "__interrupt__" not in state:
            break
        state = studio.runs.wait(thread, "calm", command={"resume": "continue"})
    assert state["outcome"] in OUTCOMES
    assert state["episode"]["stop"] is not None


@pytest.fixture(scope="module")
def finished(studio):
    """Finish a trajectory of STORM. Return its thread, its last state, and its checkpoints in order."""
    thread = studio.threads.create()["thread_id"]
    state = studio.runs.wait(thread, "storm", input=QUESTION)
    return thread, state, studio.threads.get_history(thread, limit=100)[::-1]


def before(kept, node):
    """Return the checkpoints before `node`."""
    return [one for one in kept if one["next"] == [node]]


@pytest.mark.parametrize("node", ["__start__", "reason", "execute"])
def test_a_finished_trajectory_can_be_repeated_from_each_checkpoint(studio, finished, node):
    thread, state, kept = finished
    again = studio.runs.wait(thread, "storm", checkpoint=before(kept, node)[0]["checkpoint"])
    assert again["answer"] == state["answer"]
    assert again["episode"]["transcript"] == state["episode"]["transcript"]


def forked(studio, thread, checkpoint, text):
    """Return the end state after changing the last segment by hand, so its token ids no longer match the text."""
    episode = checkpoint["values"]["episode"]
    episode["transcript"]["spans"][-1].update(text=text, ids=None, ends=None)
    fork = studio.threads.update_state(thread, {"episode": episode}, checkpoint=checkpoint["checkpoint"])
    return studio.runs.wait(thread, "storm", checkpoint=fork["checkpoint"])


def test_a_fork_before_execute_runs_the_replaced_program(studio, finished):
    thread, _, kept = finished
    again = forked(studio, thread, before(kept, "execute")[0], "```python\nprint(77)\n```\n")
    assert again["episode"]["executions"][0]["stdout"] == "77\n"
    assert [message["content"] for message in again["messages"][1:3]] == [
        "```python\nprint(77)\n```\n",
        "```output\n77\n```\n",
    ]
    assert again["episode"]["stop"] is not None


def test_a_fork_inside_a_trajectory_has_its_own_end(studio, finished):
    thread, state, kept = finished
    again = forked(studio, thread, before(kept, "execute")[-1], "</think>\nI would say \\boxed{123456}.")
    assert again["answer"]["value"] == 123456 != state["answer"]["value"]
    assert again["episode"]["executions"] == state["episode"]["executions"]


def test_input_schemas_are_available_to_studio(studio):
    machines = studio.assistants.search()
    schemas = {one["graph_id"]: studio.assistants.get_schemas(one["assistant_id"]) for one in machines}
    assert set(schemas) == {"calm", "storm"}
    assert all("messages" in one["input_schema"]["properties"] for one in schemas.values())
    intervener = schemas["calm"]["context_schema"]["properties"]["intervener"]
    assert (intervener["enum"], intervener["default"]) == (["rules", "person"], "rules")
    assert intervener["description"].startswith("Who intervenes")


def test_the_api_is_on_the_same_port(dev):
    with openai.OpenAI(base_url=f"{dev.url}/v1", api_key=KEY, max_retries=0, timeout=60) as client:
        assert [model.id for model in client.models.list()] == ["storm"]
        messages = [{"role": "user", "content": PROBLEM.question}]
        completion = client.chat.completions.create(model="storm", seed=1, messages=messages)
        assert completion.choices[0].finish_reason == "stop"
        assert "**" in completion.choices[0].message.content
        pieces = [*client.chat.completions.create(model="storm", seed=1, messages=messages, stream=True)]
        streamed = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
        assert streamed == completion.choices[0].message.content


def test_api_middleware_does_not_apply_to_studios_own_routes(dev):
    assert httpx.get(f"{dev.url}/v1/models").status_code == 401
    refused = httpx.post(f"{dev.url}/v1/chat/completions", headers={"authorization": f"Bearer {KEY}"}, content="{}")
    assert (refused.status_code, "error" in refused.json()) == (415, True)
    assert httpx.get(f"{dev.url}/info").json()["flags"]["assistants"] is True
    # No key, no content type, and a larger body than the API accepts.
    long = json.dumps({"metadata": {"note": "x" * 5_000_000}})
    assert httpx.post(f"{dev.url}/threads", content=long, timeout=30).status_code == 200
    assert set(httpx.get(f"{dev.url}/threads/not-a-thread").json()) == {"detail"}


class Configuration(html.parser.HTMLParser):
    """A parser of the configuration passed to the script of the documentation page."""

    found = None

    def handle_starttag(self, tag, attributes):
        self.found = dict(attributes).get("data-configuration", self.found)


def test_the_documentation_page_lists_operations_of_both_apis(dev, tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    page = subprocess.run(
        [chromium, *options, "--dump-dom", f"{dev.url}/docs"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert "<title>Agent Server API Reference</title>" in page
    # The script that renders the operations comes from a CDN, which a test must not need. The page's own script puts
    # its configuration into the DOM, so it is present only if a browser ran that script.
    parser = Configuration()
    parser.feed(page)
    operations = json.loads(json.loads(parser.found)["content"])["paths"]
    for path in ("/threads/{thread_id}/runs/stream", "/threads/{thread_id}/history", "/runs/wait"):
        assert path in operations
    assert {"/v1/chat/completions", "/v1/responses", "/v1/models", "/v1/models/{model}"} <= set(operations)
    assert operations["/v1/chat/completions"]["post"]["requestBody"]


def test_the_reasoner_is_set_by_the_environment_and_shutdown_is_clean(upstream, tmp_path):
    with DevServer(tmp_path / "log", STORM_REASONER=upstream.url) as server:
        question = {"role": "user", "content": "[[solve]] How much?"}
        asked = {"model": "storm", "messages": [question]}
        response = httpx.post(f"{server.url}/v1/chat/completions", json=asked, timeout=30)
        assert "**120**" in response.json()["choices"][0]["message"]["content"]
        with get_sync_client(url=server.url) as client:
            state = client.runs.wait(None, "storm", input={"messages": [question]})
        assert state["answer"]["value"] == 120
        output = server.stop()
    assert "BlockingError" not in output
    assert "shutdown failed" not in output
