"""OpenEnv's own command, and MCP in production."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from running_openenv_server import running_server
from test_openenv_sessions import post
from websockets.sync.client import connect

FOLDER = Path(__file__).resolve().parent.parent
OPENENV = Path(sys.executable).parent / "openenv"


def validate(*arguments):
    run = subprocess.run([OPENENV, "validate", *arguments, "--json"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(run.stdout)


def test_the_manifest_is_valid():
    report = validate(str(FOLDER), "--level", "static", "--skip-build")
    assert [(one["check_id"], one["status"]) for one in report["results"] if one["check_id"] == "static.manifest"] == [
        ("static.manifest", "pass")
    ]


def test_a_running_server_is_valid(sandbox):
    with running_server(sandbox=sandbox) as url:
        report = validate("--url", url)
    assert report["passed"]
    assert report["mode"] == "simulation"
    assert report["summary"]["failed_criteria"] == []


def test_a_server_in_production_is_valid_and_offers_tools_only(sandbox):
    with running_server(sandbox=sandbox, mode="production") as url:
        assert validate("--url", url)["mode"] == "production"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(urllib.request.Request(f"{url}/reset", b"{}", {"Content-Type": "application/json"}))
        tools = post(url, "tools/list")["result"]["tools"]
        assert {tool["name"] for tool in tools} == {"run_python", "submit_answer"}
        answer = post(url, "tools/call", name="run_python", arguments={"code": "print(6 * 7)"})
        assert answer["result"]["data"] == "42"


def test_an_agent_uses_tools_while_the_trainer_reads_the_reward(sandbox):
    with running_server(sandbox=sandbox, mode="production") as url:
        session = post(url, "openenv/session/create")["result"]["session_id"]
        with connect(f"{url.replace('http', 'ws')}/ws?session_id={session}") as trainer:

            def ask(kind, **data):
                trainer.send(json.dumps({"type": kind, **({"data": data} if data else {})}))
                return json.loads(trainer.recv())["data"]

            assert ask("reset", seed=3, family="knapsack")["observation"]["question"]
            ran = post(url, "tools/call", name="run_python", arguments={"code": "print(1)"}, session_id=session)
            assert ran["result"]["data"] == "1"
            submitted = post(url, "tools/call", name="submit_answer", arguments={"answer": "-1"}, session_id=session)
            assert "reward" not in json.dumps(submitted)
            state = ask("state")
            assert (state["done"], state["reward"], state["reason"], state["executions"]) == (
                True,
                0.0,
                "wrong_answer",
                1,
            )
        assert post(url, "openenv/session/close", session_id=session)["result"]["closed"]
