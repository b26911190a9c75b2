"""`storm doctor`: one line for each check, remedies for problems, and a meaningful exit code."""

import json

import pytest


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
    ]:
        result = storm("doctor", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"storm: {message}")
        assert result.stderr.count("\n") == 1
