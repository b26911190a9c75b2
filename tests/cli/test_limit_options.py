"""The sandbox and limit options of the commands that run programs take effect."""

import json

import pytest

from support.fake_completions_server import FakeCompletionsServer
from support.fake_reasoner import PLAN, boxed, program, workshop

LENIENT = ("--minimum-isolation", "limits")


def answer_after(code):
    """Return a role that runs this program, then answers."""
    return lambda hours, hints, outputs: boxed(3 * hours) if outputs else f"{PLAN}```python\n{code}\n```\n"


def never_done(hours, hints, outputs):
    return PLAN + program(hours)


@pytest.fixture
def native(storm, problems, tmp_path):
    """Return a function that solves one problem with a command and a role. It returns the episode."""

    def run(command, role, *options):
        with FakeCompletionsServer(role) as server:
            reasoner = ("--reasoner", server.url, *LENIENT, *options)
            if command == "solve":
                return json.loads(storm("solve", workshop(12).question, *reasoner, "--json").stdout)
            some = ("--problems", problems, "--limit", 1, "--out", "out", "--display", "none")
            assert storm(command, *some, *reasoner).exit_code == 0
        if command == "eval":
            return json.loads((tmp_path / "out" / "samples.jsonl").read_text())["episode"]
        return json.loads((tmp_path / "out" / "episodes.jsonl").read_text())["native"]

    return run


@pytest.mark.parametrize("command", ["solve", "curate", "eval"])
@pytest.mark.parametrize(
    ("code", "options", "status"),
    [
        ("while True: pass", ("--solver-seconds", 0.4), "timeout"),
        ("x = bytes(1 << 28)", ("--memory-mb", 128), "memory_limit"),
        ("x = bytes(1 << 28)", ("--memory-mb", 1024), "ok"),
    ],
)
def test_program_limits_are_enforced(native, command, code, options, status):
    (execution,) = native(command, answer_after(code), *options)["executions"]
    assert execution["status"] == status


@pytest.mark.parametrize("command", ["solve", "curate", "eval"])
def test_the_limit_on_executions_is_enforced(native, storm, tmp_path, command):
    few = native(command, never_done, "--max-executions", 2)
    assert (few["stop"], len(few["executions"])) == ("budget", 2)


@pytest.mark.parametrize("command", ["solve", "curate", "eval"])
def test_the_limit_on_tokens_is_enforced(native, command):
    assert native(command, never_done, "--max-tokens", 300)["stop"] == "length"


def test_limits_are_stored_and_restored_on_resume(storm, problems, endpoint, tmp_path):
    settings = ("--problems", problems, "--limit", 1, "--out", "out", "--reasoner", endpoint.url, *LENIENT)
    storm("eval", *settings, "--solver-seconds", 7, "--memory-mb", 600)
    plan = json.loads(storm("eval", "--out", "out", "--resume", "--dry-run", "--json").stdout)
    assert (plan["config"]["solver_seconds"], plan["config"]["memory_mb"]) == (7, 600)
    changed = storm("eval", "--out", "out", "--resume", "--solver-seconds", 8)
    assert "solver_seconds: 7.0 -> 8.0" in changed.stderr


@pytest.mark.parametrize("command", ["solve", "curate", "eval", "detectors", "serve"])
def test_limit_options_have_their_own_section_in_every_help_text(storm, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "200")
    _, _, shown = storm(command, "--help").stdout.partition("─ Sandbox and limits ─")
    shown = shown.partition("╰")[0]
    for option in ("--sandbox", "--minimum-isolation", "--solver-seconds", "--memory-mb"):
        assert option in shown
    assert ("--max-executions" in shown) == ("--max-tokens" in shown) == (command != "detectors")
