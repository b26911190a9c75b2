"""Unmodified third-party clients and agents that call the tools, with a scripted model behind the agents.

`make clients` installs them.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.mcp_clients import STORM
from support.scripted_tool_model import CODE, SENTENCE, ScriptedToolModel

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
BIN = ROOT / ".venv-clients" / "node" / "node_modules" / ".bin"
SERVER = [*STORM, "mcp", "--minimum-isolation", "limits"]
ANSWER = f"The largest profit is 1047.6. {SENTENCE}"


@pytest.fixture
def model():
    with ScriptedToolModel() as live:
        yield live


def run(*words, cwd=None, **environment):
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        timeout=150,
        stdin=subprocess.DEVNULL,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(name):
    """Return the path of a command for Node. Skips the test if it is not installed."""
    found = shutil.which(name, path=BIN)
    if found is None or not shutil.which("node"):
        pytest.skip(f"no {name}: run `make clients`")
    return found


@pytest.fixture
def python():
    words = [PYTHON, "-c", "import agents.mcp, langchain_mcp_adapters"]
    # In another folder than this project's, which has a package `agents`, too.
    if not PYTHON.exists() or subprocess.run(words, cwd=PYTHON.parent, capture_output=True).returncode:
        pytest.skip("no .venv-clients with the agents: run `make clients`")
    return PYTHON


AGENT = """
import asyncio, sys
from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from openai import AsyncOpenAI

async def main(url, *target):
    set_tracing_disabled(True)
    if len(target) == 1:
        server = MCPServerStreamableHttp(params={"url": target[0]}, client_session_timeout_seconds=60)
    else:
        command = {"command": target[0], "args": list(target[1:])}
        server = MCPServerStdio(params=command, client_session_timeout_seconds=60)
    async with server:
        model = OpenAIChatCompletionsModel(model="scripted", openai_client=AsyncOpenAI(base_url=url, api_key="none"))
        agent = Agent(name="planner", model=model, mcp_servers=[server])
        print((await Runner.run(agent, "Plan the shop.")).final_output)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_the_openai_agents_sdk_runs_and_checks_a_program(python, model, mcp_server, tmp_path, transport):
    target = SERVER if transport == "stdio" else [mcp_server.url]
    assert run(python, "-c", AGENT, model.url, *target, cwd=tmp_path) == f"{ANSWER}\n"


ADAPTER = """
import asyncio, json, sys
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools

async def main(url, code):
    client = MultiServerMCPClient({"storm": {"transport": "streamable_http", "url": url}})
    async with client.session("storm") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}
        made = await tools["run_program"].ainvoke({"code": code})
        record = json.loads(made[0]["text"])["record_id"]
        print(json.loads((await tools["check_plan"].ainvoke({"record_id": record}))[0]["text"])["text"])

asyncio.run(main(*sys.argv[1:]))
"""


def test_langchains_adapter_runs_and_checks_a_program(python, mcp_server, tmp_path):
    assert run(python, "-c", ADAPTER, mcp_server.url, CODE, cwd=tmp_path).startswith(SENTENCE)


@pytest.fixture
def inspect():
    """Return a function that calls a method with the command line of the inspector."""
    command = installed("mcp-inspector")

    def inspect(target, *words):
        return json.loads(run(command, "--cli", *target, *words))

    return inspect


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_the_inspector_lists_and_calls_tools(inspect, mcp_server, transport):
    target = SERVER if transport == "stdio" else [mcp_server.url, "--transport", "http"]
    tools = inspect(target, "--method", "tools/list")["tools"]
    assert tools[0]["name"] == "run_program"
    assert inspect(target, "--method", "resources/list")["resources"][0]["uri"] == "storm://skill/SKILL.md"
    call = ("--method", "tools/call", "--tool-name")
    made = inspect(target, *call, "run_program", "--tool-arg", "code=print(6 * 7)")
    assert made["structuredContent"]["stdout"] == "42\n"
    # It validates the content of errors by the output schema.
    wrong = inspect(target, *call, "status", "--tool-arg", "job_id=x")
    assert wrong["structuredContent"]["error"]["category"] == "not_found"


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_codex_runs_and_checks_a_program(model, mcp_server, tmp_path, transport):
    server = f"url = {json.dumps(mcp_server.url)}"
    if transport == "stdio":
        server = f"command = {json.dumps(SERVER[0])}\nargs = {json.dumps(SERVER[1:])}"
    (tmp_path / "config.toml").write_text(
        'model = "scripted"\nmodel_provider = "scripted"\n[model_providers.scripted]\nname = "scripted"\n'
        f'base_url = "{model.url}"\nwire_api = "responses"\nenv_key = "OPENAI_API_KEY"\n'
        # Without `required`, it asks the model before the server has started.
        f"[mcp_servers.storm]\n{server}\nrequired = true\n"
    )
    words = ("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "Plan the shop.")
    printed = run(installed("codex"), *words, cwd=tmp_path, CODEX_HOME=str(tmp_path), OPENAI_API_KEY="none")
    assert printed.strip().endswith(ANSWER)
