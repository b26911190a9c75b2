"""Unmodified third-party clients against a live server, and the examples, run as their first lines describe.

They live in separate environments (`make clients`): the Python ones in .venv-clients, those for Node in a folder that
this module installs once.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
NODE = ROOT / ".venv-clients" / "node"
QUESTION = "A workshop has 40 hours. Each chair takes one hour and earns 3. What is the largest profit? [[solve]]"
ANSWER = "The largest profit is \\boxed{120.0}."


def run(*words, served, stdin=None, **environment):
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        timeout=120,
        input=stdin,
        cwd=ROOT,
        env={**os.environ, "STORM_URL": served.url, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python():
    if not PYTHON.exists():
        pytest.skip("no .venv-clients: run `make clients`")
    return PYTHON


@pytest.fixture(scope="module")
def node():
    if not shutil.which("node") or not (NODE / "node_modules").exists():
        pytest.skip("no Node, or no packages for it: run `make clients`")
    return "node"


@pytest.mark.parametrize("name", ["openai_python", "langchain_chat", "litellm_chat"])
def test_the_examples_in_python_print_the_answer(python, served, name):
    assert ANSWER in run(python, ROOT / "examples" / f"{name}.py", QUESTION, served=served)


def test_the_example_of_the_responses_api_sends_a_file(python, served, upstream):
    printed = run(python, ROOT / "examples" / "responses_python.py", "What does it cost? [[file]]", served=served)
    assert "program:\n print(open('costs.csv')" in printed
    assert "chair,2,5" in printed
    assert "costs.csv: CSV, 2 rows, 3 columns" in upstream.asked[-1]["prompt"]


def test_the_example_with_curl_prints_the_answer_as_json(served):
    answer = json.loads(run(ROOT / "examples" / "curl.sh", QUESTION, served=served))
    assert answer["choices"][0]["message"]["content"] == ANSWER


def test_the_example_for_node_prints_the_answer(node, served, tmp_path):
    shutil.copy(ROOT / "examples" / "openai_node.mjs", NODE / "openai_node.mjs")
    printed = run(node, NODE / "openai_node.mjs", QUESTION, served=served)
    assert printed.startswith(ANSWER)
    assert '"value":120' in printed


def test_the_ai_sdks_openai_compatible_provider_streams_thoughts_and_answer(node, served):
    script = NODE / "ai_sdk.mjs"
    script.write_text(
        """
        import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
        import { streamText } from "ai";
        const storm = createOpenAICompatible({ name: "storm", baseURL: process.env.STORM_URL, apiKey: "none" });
        const result = streamText({ model: storm("storm"), prompt: process.argv[2] });
        let text = "", reasoning = "";
        for await (const part of result.fullStream) {
          if (part.type === "text-delta") text += part.text ?? part.delta ?? part.textDelta;
          if (part.type === "reasoning-delta") reasoning += part.text ?? part.delta ?? "";
          if (part.type === "error") throw part.error;
        }
        console.log(JSON.stringify({ text, reasoning, finish: await result.finishReason }));
        """
    )
    result = json.loads(run(node, script, QUESTION, served=served))
    assert result["text"] == ANSWER
    assert "I compute it." in result["reasoning"]
    assert result["finish"] == "stop"


def test_llm_answers_at_the_command_line(python, served, tmp_path):
    models = [{"model_id": "storm", "model_name": "storm", "api_base": served.url}]
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps(models))
    printed = run(
        python.parent / "llm",
        "-m",
        "storm",
        QUESTION,
        served=served,
        LLM_USER_PATH=str(tmp_path),
        OPENAI_API_KEY="none",
    )
    assert printed.strip() == ANSWER


def test_litellm_separates_reasoning_and_answer(python, served):
    script = """
import json, os, sys, litellm
asked = dict(model="openai/storm", api_base=os.environ["STORM_URL"], api_key="none",
             messages=[{"role": "user", "content": sys.argv[1]}])
whole = litellm.completion(**asked).choices[0].message
pieces = [chunk.choices[0].delta for chunk in litellm.completion(**asked, stream=True)]
print(json.dumps([whole.content, whole.reasoning_content, "".join(piece.content or "" for piece in pieces),
                  "".join(getattr(piece, "reasoning_content", None) or "" for piece in pieces)]))
"""
    content, reasoning, streamed, thoughts = json.loads(run(python, "-c", script, QUESTION, served=served))
    assert content == streamed == ANSWER
    assert reasoning == thoughts
    assert "I compute it." in reasoning


def test_schemathesis_finds_no_server_error(python, served):
    root = served.url.removesuffix("/v1")
    run(
        python.parent / "schemathesis",
        "run",
        f"{root}/openapi.json",
        "--checks",
        "not_a_server_error",
        "--max-examples",
        "25",
        "--request-timeout",
        "30",
        "--exclude-path",
        "/metrics",
        "--seed",
        "1",
        served=served,
    )


REFUSED = {"tool-calling", "image-input"}
"""Tools of the client, and images."""


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("openai-chat", REFUSED),
        # It names reasoning events of a stream response.reasoning.delta; OpenAI's own client,
        # response.reasoning_text.delta.
        ("open-responses", {*REFUSED, "streaming-response", "streaming-usage"}),
    ],
)
def test_llm_comply_passes_except_for_unsupported_features(python, served, form, expected):
    words = [python.parent / "llm-comply", "-u", served.url, "-k", "none", "-m", "storm", "--format", form, "--json"]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120)
    results = {one["id"]: one for one in json.loads(done.stdout)["results"]}
    failed = {name.removeprefix("chat-") for name, one in results.items() if one["status"] == "failed"}
    assert len(results) > 7
    assert failed == expected
    for name in failed - REFUSED:
        assert all("unknown SSE event type: response.reasoning_text" in error for error in results[name]["errors"])
