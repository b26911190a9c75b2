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

from storm_calm.serving.api.auth import Keys, digest
from support.running_server import RunningServer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
NODE = ROOT / ".venv-clients" / "node"
QUESTION = "A workshop has 40 hours. Each chair takes one hour and earns 3. What is the largest profit? [[solve]]"
ANSWER = "The largest profit is **120**."
"""The begin of the answer, which the plan and the evidence follow."""
KEY = "a-key-for-the-tests-only"


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
    assert answer["choices"][0]["message"]["content"].startswith(ANSWER)


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
    assert result["text"].startswith(ANSWER)
    assert "| `x` | 40 |" in result["text"]
    assert "I compute it." in result["reasoning"]
    assert result["finish"] == "stop"


def test_the_ai_sdks_responses_provider_streams_thoughts_program_and_answer(node, served):
    script = NODE / "ai_sdk_responses.mjs"
    script.write_text(
        """
        import { createOpenAI } from "@ai-sdk/openai";
        import { streamText } from "ai";
        const storm = createOpenAI({ baseURL: process.env.STORM_URL, apiKey: "none" });
        const result = streamText({
          model: storm.responses("storm"),
          prompt: process.argv[2],
          tools: { code_interpreter: storm.tools.codeInterpreter({}) },
          providerOptions: { openai: { reasoningSummary: "auto", forceReasoning: true } },
        });
        let text = "", reasoning = "", outputs = [];
        for await (const part of result.fullStream) {
          if (part.type === "text-delta") text += part.text;
          if (part.type === "reasoning-delta") reasoning += part.text;
          if (part.type === "tool-result") outputs.push(...part.output.outputs);
          if (part.type === "error") throw part.error;
        }
        console.log(JSON.stringify({ text, reasoning, outputs, finish: await result.finishReason }));
        """
    )
    result = json.loads(run(node, script, QUESTION, served=served))
    assert result["text"].startswith(ANSWER)
    assert result["reasoning"] == "I compute it.\nIt is optimal.\n"
    assert result["outputs"] == [{"type": "logs", "logs": "120.0\n"}]
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
    assert printed.strip().startswith(ANSWER)


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
    assert content == streamed
    assert content.startswith(ANSWER)
    assert reasoning == thoughts
    assert "I compute it." in reasoning


def test_schemathesis_finds_no_server_error_and_no_answer_against_the_schema(python, upstream):
    with RunningServer(upstream.url, keys=Keys({"ana": digest(KEY)}), key_per_minute=100_000) as live:
        words = [
            *("run", live.url.removesuffix("/v1") + "/openapi.json", "-H", f"Authorization: Bearer {KEY}"),
            # The server rejects what the schema cannot tell, such as a record that is not one. In a form all is text.
            *("--exclude-checks", "positive_data_acceptance,negative_data_rejection", "--exclude-path", "/metrics"),
            *("--max-examples", "25", "--request-timeout", "30", "--seed", "1"),
        ]
        run(python.parent / "schemathesis", *words, served=live)


def test_codex_shows_the_answer_of_the_responses_api(node, upstream, tmp_path, monkeypatch):
    program = NODE / "node_modules" / ".bin" / "codex"
    if not program.exists():
        pytest.skip("no Codex: run `make clients`")
    # Its own instructions are longer than the context of the scripted model.
    monkeypatch.setattr(upstream, "context", 100_000)
    with RunningServer(upstream.url) as live:
        provider = f'{{name = "STORM", base_url = "{live.url}", env_key = "STORM_KEY", wire_api = "responses"}}'
        settings = {"model": '"storm"', "model_provider": '"storm"', "model_providers.storm": provider}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        home = {"CODEX_HOME": str(tmp_path), "STORM_KEY": "none"}
        printed = run(
            program, "exec", "--skip-git-repo-check", "--json", *words, QUESTION, served=live, stdin="", **home
        )
    events = [json.loads(line) for line in printed.splitlines()]
    said = [one["item"] for one in events if one["type"] == "item.completed"]
    assert [one["text"].startswith(ANSWER) for one in said if one["type"] == "agent_message"] == [True]
    assert [one["text"] for one in said if one["type"] == "reasoning"] == ["I compute it.\n", "It is optimal.\n"]
    (turn,) = [one for one in events if one["type"] == "turn.completed"]
    assert turn["usage"]["output_tokens"] > turn["usage"]["reasoning_output_tokens"] > 0


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
