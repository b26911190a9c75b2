"""`storm curate`: results on standard output, progress and errors on standard error, meaningful exit codes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.runs.options import option_fields
from storm_calm.env import read_episodes
from storm_calm.env.serialize import from_json
from support.fake_completions_server import FakeCompletionsServer
from support.fake_intervener_server import FakeIntervenerServer
from support.fake_reasoner import mixed, workshop

pytestmark = pytest.mark.slow

LENIENT = ("--minimum-isolation", "limits")
LLM = ("--intervener", "llm", "--intervener-url", "http://127.0.0.1:9/v1")


@pytest.fixture
def curate(storm, problems, endpoint):
    return lambda *more: storm("curate", "--problems", problems, "--reasoner", endpoint.url, *LENIENT, *more)


def test_json_output_is_a_single_object(curate, tmp_path):
    result = curate("--seed", 7, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0
    summary = json.loads(result.stdout)
    assert summary == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["problems"], summary["native_correct"], summary["final_correct"], summary["golden"]) == (8, 2, 6, 6)
    assert "8/8" in result.stderr
    assert len(read_episodes(tmp_path / "out" / "golden.jsonl")) == 6


def test_the_summary_fits_60_columns(curate, storm):
    result = curate("--out", "here", "--display", "none")
    assert result.exit_code == 0
    assert result.stderr.count("\n") == 1, "only the warning that the server returns no token ids"
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 60
    assert "chairs         4       2      4       4" in result.stdout
    assert "6 (75%) golden" in " ".join(result.stdout.split())
    again = storm("curate", "--out", "here", "--resume", "--display", "none")
    assert (again.exit_code, again.stdout) == (0, result.stdout)


def test_results_go_to_a_new_folder_under_runs_by_default(curate, tmp_path):
    result = curate("--limit", 1)
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"runs/{folder.name}: golden.jsonl has" in result.stdout
    assert len((folder / "episodes.jsonl").read_text().splitlines()) == 1


def test_an_existing_run_needs_resume_and_changed_settings_are_listed(curate):
    curate("--out", "out", "--seed", 7, "--limit", 1)
    same = curate("--out", "out", "--seed", 7, "--limit", 1)
    assert (same.exit_code, same.stdout) == (2, "")
    assert "out: holds a run already (1 of its problems done); --resume it, or choose another --out\n" in same.stderr
    other = curate("--out", "out", "--seed", 8, "--limit", 1, "--resume")
    assert other.exit_code == 2
    message = "out: made with other settings (seed: 7 -> 8); choose another --out, or use the old settings"
    assert other.stderr == f"storm: {message}\n"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"id": "a", "question": "Q", "answer": 1}', '{"id": "b", "question"'], "problems.jsonl:2: not JSON"),
        (['{"id": "a", "question": "Q"}'], 'problems.jsonl:1: "answer" is missing; give a number'),
        (['{"id": "a", "question": "Q", "answer": "many"}'], 'problems.jsonl:1: "answer" "many" cannot be read'),
        (['{"id": "a", "question": "Q", "answer": 1}'] * 2, "problems.jsonl:2: \"id\" 'a' is already used in line 1"),
        ([], "problems.jsonl: no problems"),
    ],
)
def test_an_invalid_problem_file_is_an_error_with_file_and_line(storm, tmp_path, lines, message):
    (tmp_path / "problems.jsonl").write_text("".join(f"{line}\n" for line in lines))
    result = storm("curate", "--problems", "problems.jsonl", "--out", "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"storm: {message}")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give a file of problems or families"),
        (("--problems", "nowhere.jsonl"), "nowhere.jsonl: No such file or directory"),
        (("--families", "knapsack,sudoku"), 'unknown family "sudoku"; known: all, easy, complex, product_mix'),
        (("--families", "all", "--split", "test"), '--split: "test" is not one of train, heldout'),
        (("--families", "all", "--limit", "0"), "--limit: 0 is not a whole number of at least 1"),
        (("--families", "diet", "--limit", "1", "--reasoner", "gpt"), "reasoner 'gpt' is unknown"),
        (("--resume",), "--resume: needs --out"),
        (("--config", "nowhere.toml"), "nowhere.toml: No such file or directory"),
        (("--families", "all", "--intervener", "person"), '--intervener: "person" is not one of rules, llm, rules+llm'),
        (
            ("--families", "all", "--intervener", "llm"),
            "--intervener: llm needs an endpoint with chat completions: --intervener-url",
        ),
        (("--families", "all", "--intervener-url", "http://a/v1"), "--intervener-url: goes with --intervener llm"),
        (("--families", "all", *LLM, "--intervener-price", "3"), '--intervener-price: "3" is not two prices'),
        (("--families", "all", "--confidence-floor", "1.5"), "--confidence-floor: 1.5 is not a number from 0 to 1"),
        (("--families", "all", "--patience", "-1"), "--patience: -1 is not a whole number of at least 0"),
    ],
)
def test_bad_usage_is_a_one_line_error(storm, arguments, message):
    result = storm("curate", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"storm: {message}")
    assert result.stderr.count("\n") == 1


def test_error_for_an_unreachable_endpoint_has_its_url(storm, problems, tmp_path):
    result = storm("curate", "--problems", problems, "--reasoner", "http://127.0.0.1:9/v1", "--out", "out", *LENIENT)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("storm: http://127.0.0.1:9/v1 cannot be reached")


@pytest.mark.parametrize(("fault", "words"), [(429, "answered 429"), (500, "answered 500"), ("cut", "broke off")])
def test_a_failing_endpoint_stops_the_curation_which_can_be_resumed(storm, problems, fault, words):
    with FakeCompletionsServer(mixed, fault=fault) as endpoint:
        settings = ("--problems", problems, "--reasoner", endpoint.url, "--out", "out", "--json", "--display", "none")
        stopped = storm("curate", *settings, *LENIENT)
        assert (stopped.exit_code, stopped.stdout) == (1, "")
        assert "5 problems failed one after another" in stopped.stderr
        assert words in stopped.stderr
        assert "Resume with: storm curate --out out --resume" in stopped.stderr
        endpoint.fault = None
        resumed = storm("curate", "--out", "out", "--resume", "--json")
    assert resumed.exit_code == 0
    assert json.loads(resumed.stdout)["final_correct"] == 6


def test_costs_of_an_llm_intervener_are_shown_but_not_its_key(curate, storm, tmp_path, monkeypatch):
    monkeypatch.setenv("STORM_INTERVENER_KEY", "sk-very-secret")
    with FakeIntervenerServer(
        lambda look: "answer" if look.replies == 0 and look.found else None, wanted_key="sk-very-secret"
    ) as judge:
        settings = ("--intervener", "rules+llm", "--intervener-url", judge.url, "--intervener-price", "1.25,10")
        result = curate(*settings, "--confidence-floor", 0.5, "--patience", 2, "--out", "out", "--display", "none")
        again = storm("curate", "--out", "out", "--resume", "--json", "--display", "none")
    assert result.exit_code == 0
    assert result.stderr.startswith("storm: warning: The trajectories have no token ids")
    assert result.stderr.count("\n") == 1
    shown = " ".join(result.stdout.split())
    summary = json.loads(again.stdout)
    assert summary["rejected_hints"] == {"answer": judge.caused["answer"]}
    assert f"rejected hints {judge.caused['answer']}: answer {judge.caused['answer']}" in shown
    assert f"rules+llm: {judge.answered} requests, 0 cached, {judge.input_tokens:,} tokens in" in shown
    assert f"price {summary['cost']['price']:.4f}" in shown
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 60
    for path in (tmp_path / "out").iterdir():
        assert b"secret" not in path.read_bytes()


def test_a_dry_run_prints_the_plan_and_does_nothing(curate, tmp_path):
    result = curate("--dry-run", "--limit", 3, "--json", "--out", "out")
    plan = json.loads(result.stdout)
    assert (plan["problems"], plan["by_family"], plan["out"]) == (3, {"chairs": 2, "stools": 1}, "out")
    assert from_json(CurateConfig, plan["config"]).limit == 3
    assert not (tmp_path / "out").exists()


def test_options_override_settings_from_a_file(storm, problems, tmp_path):
    (tmp_path / "mine.toml").write_text('families = ["diet"]\nlimit = 2\nseed = 5\n')
    plan = json.loads(storm("curate", "--config", "mine.toml", "--seed", 6, "--dry-run", "--json").stdout)
    assert (plan["config"]["seed"], plan["by_family"]) == (6, {"diet": 2})
    plan = json.loads(storm("curate", "--config", "mine.toml", "--problems", problems, "--dry-run", "--json").stdout)
    assert (plan["config"]["families"], plan["problems"]) == ([], 2)
    (tmp_path / "mine.toml").write_text("family = 3\n")
    assert "mine.toml: family: unknown setting" in storm("curate", "--config", "mine.toml").stderr


def test_help_texts_are_the_docstrings_of_the_settings(storm, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    shown = storm("curate", "--help").stdout
    for field in option_fields(CurateConfig):
        assert field.flag in shown
        assert field.help.split(".")[0] in shown


@pytest.mark.timeout(300)
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_exit_130_and_print_the_resume_command(tmp_path, ending):
    def slowly(*situation):
        time.sleep(0.2)
        return mixed(*situation)

    path = tmp_path / "problems.jsonl"
    lines = [{"id": str(hours), "question": workshop(hours).question, "answer": 3 * hours} for hours in range(10, 22)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "out"
    with FakeCompletionsServer(slowly) as endpoint:
        settings = ["--problems", str(path), "--reasoner", endpoint.url, "--out", str(out), *LENIENT]
        process = subprocess.Popen(
            [sys.executable, "-c", "from storm_calm.cli.start import main; main()", "curate", *settings],
            cwd=Path(__file__).resolve().parents[2],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        while not (out / "episodes.jsonl").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(ending)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"storm: stopped; all finished work is kept. Resume with: storm curate --out {out} --resume" in errors
    assert "Traceback" not in errors
    assert 1 <= len((out / "episodes.jsonl").read_text().splitlines()) < 12


def test_a_run_that_cannot_be_trained_on_is_a_warning_before_the_first_problem(curate, storm, tmp_path):
    result = curate("--out", "here", "--limit", 1, "--price", "1,2")
    first, *rest = result.stderr.splitlines()
    assert first.startswith("storm: warning: The trajectories have no token ids")
    assert "--tokenizer FOLDER" in first
    assert rest[-1].startswith("1/1")
    assert " tokens/s · " in rest[-1]
    assert "Reasoner in this session: " in result.stdout
    refused = storm("export", "here", "--format", "verl-sft")
    assert refused.exit_code == 2
    assert "1 of 1 golden trajectories have no token ids, so verl-sft cannot have a loss mask" in refused.stderr
    assert "--tokenizer FOLDER" in refused.stderr


def test_an_invalid_price_is_an_error(storm, problems):
    result = storm("curate", "--problems", problems, "--price", "cheap")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert '--price: "cheap" is not two prices' in result.stderr
