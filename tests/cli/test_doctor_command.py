"""`storm doctor`: one line for each check, remedies for problems, and a meaningful exit code."""

import json

import pytest

from support.fake_model_servers import KINDS, FakeModelServer


def evaluation(folder, mean):
    """Write the folder of an evaluation."""
    score = {"mean": mean, "low": mean - 0.03, "high": mean + 0.03}
    behaviour = {"model_tokens": 300, "backed_by_report": 0.95, "execution_status": {"ok": 19, "error": 1}}
    folder.mkdir()
    results = {
        "rules": {"sirl": {"pass@1": score}},
        "by_difficulty": {"complex": {"sirl": score}},
        "behaviour": behaviour,
    }
    (folder / "results.json").write_text(json.dumps(results))


@pytest.fixture
def runs(tmp_path):
    """Write evaluations before and after two trainings, one of which went wrong."""
    for name, mean in (("eval-base", 0.5), ("eval-good", 0.52), ("eval-bad", 0.3)):
        evaluation(tmp_path / name, mean)


def test_a_problem_has_figure_cause_and_remedy_and_exit_code_1(storm, runs):
    result = storm("doctor", "eval-bad", "--baseline", "eval-base")
    assert (result.exit_code, result.stderr) == (1, "")
    assert max(map(len, result.stdout.splitlines())) <= 60
    shown = " ".join(result.stdout.split())
    assert "problem complex problems, eval-bad: pass@1 50.0% -> 30.0% (rule sirl)" in shown
    assert "likely trained on trajectories without reflection" in shown
    assert "try keep complex problems in the data" in shown


def test_without_problems_the_exit_code_is_0(storm, runs):
    result = storm("doctor", "eval-good", "--baseline", "eval-base")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "likely" not in result.stdout
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "not measured groups alike needs a GRPO run" in lines


def test_a_folder_of_run_folders_is_examined_as_a_whole(storm, runs):
    result = storm("doctor", ".", "--json")
    facts = json.loads(result.stdout)
    assert (result.exit_code, facts["problems"]) == (1, 1)
    found = {one["run"]: one["state"] for one in facts["verdicts"] if one["check"] == "complex problems"}
    assert found == {"eval-bad": "problem", "eval-good": "ok"}


def test_bad_usage_is_a_one_line_error(storm, runs):
    for arguments, message in [
        (("nowhere",), "nowhere: no such folder"),
        (("eval-good", "--baseline", "nowhere"), "nowhere: no results.json in it"),
        (("--model", "m"), "--baseline needs RUN; --model and --tokenizer need --reasoner URL"),
        (("eval-good", "--reasoner", "http://localhost:9/v1"), "give RUN, a run folder, or --reasoner URL"),
        (("eval-good", "--model", "m"), "--model and --tokenizer are for --reasoner URL"),
        (("--reasoner", "nano"), "--reasoner: 'nano' is not the URL of a server"),
    ]:
        result = storm("doctor", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"storm: {message}")
        assert result.stderr.count("\n") == 1


TRAPS = {
    "vllm": "prefilled in chunks",
    "sglang": "the KV cache has room for 2,048 tokens",
    "llama.cpp": "4 slots share the context",
    "ollama": "prompts longer than 4,096 tokens lose their beginning without an error",
    "lmstudio": "the model is loaded with 4,096 tokens of 40,960",
    "hosted": "requests of one run may go to different providers",
}
IDS = {"vllm": "as sampled: trajectories can be trained on"}
TEMPLATES = {"vllm": "Jinja", "sglang": "Jinja", "llama.cpp": "Jinja", "lmstudio": "unknown", "ollama": "written in Go"}


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_is_described_with_its_trap_and_the_command_to_use(storm, monkeypatch, kind, width):
    monkeypatch.setenv("COLUMNS", str(width))
    with FakeModelServer(kind, context=4096) as server:
        result = storm("doctor", "--reasoner", server.url)
        *lines, command = result.stdout.splitlines()
        chat = "chat:" if kind in ("ollama", "hosted") else ""
        assert command == f"storm curate --reasoner {chat}{server.url} --problems problems.jsonl"
    assert (result.exit_code, result.stderr) == (0, "")
    assert max(map(len, lines)) <= width
    shown = " ".join(result.stdout.split())
    assert " trap " in shown
    assert TRAPS[kind] in shown
    if width == 120:  # Otherwise a cell takes several lines, with other cells between them.
        assert "context 4,096 tokens a request" in shown
        assert f"token ids {IDS.get(kind, 'none: training by token is not possible')}" in shown
        assert TEMPLATES.get(kind, "applied by the server") in shown
        assert "tiny problem right in" in shown


def test_a_server_as_json(storm):
    with FakeModelServer("vllm") as server:
        facts = json.loads(storm("doctor", "--reasoner", server.url, "--json").stdout)
    assert (facts["capabilities"]["server"], facts["capabilities"]["context"]) == ("vllm", 16384)
    assert {check["name"]: check["state"] for check in facts["checks"]}["tiny problem"] == "ok"
    assert facts["command"].startswith("storm curate --reasoner http://127.0.0.1:")


def test_a_server_that_cannot_be_reached_is_a_problem(storm):
    result = storm("doctor", "--reasoner", "http://127.0.0.1:9/v1")
    assert result.exit_code == 1
    shown = " ".join(result.stdout.split())
    assert "problem reach" in shown
    assert "Not usable as it is" in shown
