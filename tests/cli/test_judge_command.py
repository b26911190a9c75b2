"""`storm judge`, and `storm eval` before it: figures on standard output, progress and errors on standard error."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.explain_set import usual, write_explain_set
from support.fake_completions_server import FakeCompletionsServer
from support.fake_judge_server import FakeJudgeServer

pytestmark = pytest.mark.slow

LENIENT = ("--minimum-isolation", "limits", "--display", "none")


@pytest.fixture
def judged(storm, tmp_path):
    """Return a function that evaluates the small set, then runs `storm judge` on it."""
    write_explain_set(tmp_path / "OR-Space")
    with FakeCompletionsServer(usual) as endpoint:
        settings = ("--benchmark", "or_space_explain", "--data-dir", "OR-Space", "--reasoner", endpoint.url)
        evaluated = storm("eval", *settings, "--out", "run", *LENIENT)
    assert evaluated.exit_code == 0, evaluated.stderr

    def judged(*more):
        return storm("judge", "run", "--rubric", "OR-Space", *more)

    judged.evaluated = evaluated
    return judged


def widest(shown):
    return max(len(line.rstrip()) for line in shown.splitlines())


def test_an_evaluation_of_explanations_ends_without_scores(judged, storm):
    shown = " ".join(judged.evaluated.stdout.split())
    assert "3 not scored: their answers are texts for a judge, see storm judge --help" in shown
    assert "stop reason answer 100.0 %" in shown
    assert widest(judged.evaluated.stdout) <= 60
    results = json.loads(Path("run/results.json").read_text())
    assert (results["scored"], results["needs_judge"], results["rules"]) == (0, 3, {"paper": {}})
    viewed = storm("view", "run")
    assert (viewed.exit_code, "3 samples" in viewed.stdout) == (0, True)
    compared = storm("compare", "run", "OR-Space")
    assert compared.exit_code == 2


def test_the_table_has_all_parts_of_the_score_and_fits_60_columns(judged):
    with FakeJudgeServer() as server:
        result = judged("--url", server.url, "--price", "1,10", "--display", "none")
        again = judged("--url", server.url, "--price", "1,10", "--display", "none")
        assert server.answered == 3
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == again.stdout
    assert widest(result.stdout) <= 60
    shown = " ".join(result.stdout.split())
    assert "judge judged 3 explanations of http://127.0.0.1:" in shown
    assert "exact coverage 35 23.3" in shown
    assert "minus hallucination 20 1.3" in shown
    assert "score 100 62.7" in shown
    assert "entities found 66.7 %" in shown
    assert "Reading duals 2 88.5" in shown
    assert "Judge: 3 requests, " in shown
    assert "run: figures in judged.json, judgments in judgments.jsonl" in shown


def test_json_output_is_the_written_file(judged):
    with FakeJudgeServer(lambda look: "prose" if look.replies == 0 else None) as server:
        result = judged("--url", server.url, "--json")
    assert json.loads(result.stdout) == json.loads(Path("run/judged.json").read_text())
    assert json.loads(result.stdout)["corrected"] == 3
    assert "3/3 · judged 3" in result.stderr


def test_a_plan_and_the_exact_part_need_no_endpoint_and_write_nothing(judged):
    before = sorted(path.name for path in Path("run").iterdir())
    shown = " ".join(judged("--dry-run", "--price", "1,10").stdout.split())
    assert "3 explanations would be sent to the judge input about " in shown
    assert "replies at most 12,000 tokens" in shown
    assert "price at most about 0.12" in shown
    assert json.loads(judged("--dry-run", "--json").stdout)["samples"] == 3
    shown = " ".join(judged("--exact-only").stdout.split())
    assert "3 explanations on 3 problems, without a judge" in shown
    assert "entities found 66.7 %" in shown
    assert json.loads(judged("--exact-only", "--json").stdout)["entities"]["mean"] == 0.666667
    assert sorted(path.name for path in Path("run").iterdir()) == before


def test_samples_without_a_judgment_are_an_error_with_the_command_that_retries_them(judged):
    with FakeJudgeServer(lambda look: "prose" if "12 hours" in look.given["question"] else None) as server:
        result = judged("--url", server.url, "--display", "none")
    assert result.exit_code == 1
    assert "1 not judged because the judge failed" in " ".join(result.stdout.split())
    assert result.stderr.startswith(
        "storm: 1 sample is not judged: the judge: no judgment on or_space_002_explain in 3"
    )
    assert f"Retry with: storm judge run --rubric OR-Space --url {server.url}" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--url", "http://127.0.0.1:9/v1"), "--rubric: give the folder of OR-Space"),
        (("run", "--rubric", "OR-Space"), "--url: give the judge's endpoint, such as http://localhost:8000/v1"),
        (("run", "--rubric", "OR-Space", "--url", "judge"), '--url: "judge" is not a URL'),
        (
            ("nowhere", "--rubric", "OR-Space", "--dry-run"),
            "nowhere: no samples.jsonl in it; give the --out of a storm",
        ),
        (("run", "--rubric", "nowhere", "--dry-run"), "nowhere: no rubrics.jsonl in it; give the folder of OR-Space"),
        (("run", "--rubric", "OR-Space", "--dry-run", "--exact-only"), "--exact-only sends nothing; give either"),
    ],
)
def test_bad_usage_is_a_one_line_error(storm, tmp_path, arguments, message):
    write_explain_set(tmp_path / "OR-Space")
    result = storm("judge", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"storm: {message}")
    assert result.stderr.count("\n") == 1


@pytest.mark.timeout(300)
def test_ctrl_c_exits_130_at_once_and_keeps_finished_judgments(judged, tmp_path):
    with FakeJudgeServer(lambda look: "silence" if "13 hours" in look.given["question"] else None) as server:
        settings = [str(tmp_path / "run"), "--rubric", str(tmp_path / "OR-Space"), "--url", server.url]
        process = subprocess.Popen(
            [sys.executable, "-c", "from storm_calm.cli.start import main; main()", "judge", *settings],
            cwd=Path(__file__).resolve().parents[2],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        file = tmp_path / "run" / "judgments.jsonl"
        while not file.exists() or file.read_text().count("\n") < 2:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        started = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert time.monotonic() - started < 20, "it does not wait for the silent judge"
    assert process.returncode == 130
    assert "storm: stopped; all finished work is kept. Resume with: storm judge " in errors
    assert "Traceback" not in errors
    with FakeJudgeServer() as server:
        assert json.loads(judged("--url", server.url, "--json").stdout)["judged"] == 3
        assert server.answered == 1
