"""`storm eval` and `storm compare`: figures on standard output, progress and errors on standard error."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.runs.options import option_fields
from storm_calm.env import write_problems
from storm_calm.env.serialize import from_json
from support.fake_completions_server import FakeCompletionsServer
from support.fake_reasoner import boxed, direct, mixed, workshop

pytestmark = pytest.mark.slow

LENIENT = ("--minimum-isolation", "limits")


@pytest.fixture
def evaluate(storm, problems, endpoint):
    return lambda *more: storm("eval", "--problems", problems, "--reasoner", endpoint.url, *LENIENT, *more)


def widest(shown):
    return max(len(line.rstrip()) for line in shown.splitlines())


def test_json_output_is_a_single_object(evaluate, tmp_path):
    result = evaluate("--seed", 7, "--out", tmp_path / "out", "--json", "--rule", "paper,orlm")
    assert result.exit_code == 0
    results = json.loads(result.stdout)
    assert results == json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["rules"]["paper"]["pass@1"]["mean"] == results["rules"]["orlm"]["pass@1"]["mean"] == 0.25
    assert "8/8" in result.stderr
    assert len((tmp_path / "out" / "samples.jsonl").read_text().splitlines()) == 8


def test_results_fit_60_columns_and_are_reproducible(evaluate, storm):
    result = evaluate("--out", "here", "--display", "none")
    assert (result.exit_code, result.stderr) == (0, "")
    assert widest(result.stdout) <= 60
    shown = " ".join(result.stdout.split())
    assert "on 8 problems, temperature 0.6" in shown
    assert "paper pass@1 25.0 % 7-59" in shown
    assert "chairs 4 50.0 % 15-85" in shown
    assert "manual computation 25.0 %" in shown
    again = storm("eval", "--out", "here", "--resume", "--display", "none")
    assert (again.exit_code, again.stdout) == (0, result.stdout)


def test_rules_and_samples_may_change_on_resume(evaluate, storm):
    evaluate("--out", "here", "--display", "none")
    scored = storm("eval", "--out", "here", "--resume", "--rule", "paper,sirl,orlm,mamo", "--display", "none")
    assert scored.exit_code == 0
    assert widest(scored.stdout) <= 60
    assert [rule for rule in ("paper", "sirl", "orlm", "mamo") if f"{rule}   pass@1" not in scored.stdout] == ["paper"]
    more = json.loads(storm("eval", "--out", "here", "--resume", "--samples", 2, "--json").stdout)
    assert (more["scored"], list(more["rules"])) == (16, ["paper", "sirl", "orlm", "mamo"])
    assert list(more["rules"]["mamo"]) == ["pass@1", "pass@2", "majority@2"]


def test_several_seeds_are_a_table_with_their_spread(evaluate, storm):
    result = evaluate("--out", "here", "--seeds", 2, "--samples", 3, "--display", "none")
    assert (result.exit_code, result.stderr) == (0, "")
    assert widest(result.stdout) <= 60
    shown = " ".join(result.stdout.split())
    assert "on 8 problems, 3 trajectories each, 2 seeds, temperature 0.6" in shown
    assert "paper majority@3 25.0 % 7-59" in shown
    assert "in %, rule paper; accuracy is mean ± deviation over 2 seeds" in shown
    assert "family count accuracy 95 % pass@3 majority@3 all 8 25.0 ± 0.0 7-59 25.0 25.0" in shown
    assert "chairs 4 50.0 ± 0.0 15-85 50.0 50.0 stools" in shown
    assert shown.count("chairs") == 1, "no second table of the families"
    assert "budget 4 programs, the model's context; used: 1 programs and" in shown
    more = storm("eval", "--out", "here", "--resume", "--rule", "paper,orlm", "--seeds", 3, "--display", "none").stdout
    assert widest(more) <= 60
    assert "over 3 seeds" in more
    assert more.count("chairs") == 2, "the other rule is in the second one"
    results = json.loads((Path("here") / "results.json").read_text())
    assert (results["scored"], results["seeds"]) == (72, 3)
    assert results["table"]["orlm"]["chairs"] == {
        "problems": 4, "accuracy": 0.5, "deviation": 0.0, "by_seed": [0.5] * 3, "pass_at_k": 0.5, "majority_at_k": 0.5,
    }  # fmt: skip
    fewer = storm("eval", "--out", "here", "--resume", "--seeds", 2)
    assert fewer.stderr.startswith("storm: here: has samples with 3 seeds; give --seeds 3 or more")


def test_checked_plans_have_their_share_and_gap(storm, tmp_path):
    def planner(hours, hints, outputs):
        chairs = hours + (0, -1, 1)[hours % 3]
        if outputs:
            return boxed(3 * chairs)
        return f"```python\nimport json\njson.dump({chairs}, open('plan.json', 'w'))\n```\n"

    (tmp_path / "check.py").write_text(
        "import json\nchairs = json.load(open('plan.json'))\n"
        "print(json.dumps({'feasible': chairs <= 13, 'objective': 3 * chairs}))\n"
    )
    lines = [
        {"id": str(hours), "question": workshop(hours).question, "answer": 3 * hours, "family": "chairs",
         "outputs": ["plan.json"], "checker": "check.py"}
        for hours in (11, 12, 13, 14)
    ]  # fmt: skip
    (tmp_path / "plans.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with FakeCompletionsServer(planner) as opened:
        settings = ("--problems", "plans.jsonl", "--reasoner", opened.url, *LENIENT, "--display", "none")
        result = storm("eval", *settings, "--out", "here")
        storm("eval", *settings, "--out", "there")
    assert widest(result.stdout) <= 60
    shown = " ".join(result.stdout.split())
    # 12 chairs for 11 hours, 12 for 12, 12 for 13, and 15 for 14, which are too many.
    assert "family count accuracy feasible gap all 4 25.0 75.0 5.59 chairs 4 25.0 75.0 5.59" in shown
    assert (
        "plans 4 of 4 checked; 75.0 % feasible (30-95), 25.0 % within the tolerance; gap 5.59 % on average, "
        "median 7.69 %"
    ) in shown
    pytest.importorskip("matplotlib")
    compared = " ".join(storm("compare", "here", "there").stdout.split())
    assert "plans feasible 75.0 % (30-95) 75.0 % (30-95)" in compared
    assert "mean gap 5.59 % 5.59 %" in compared


def test_benchmarks_are_read_from_a_folder_and_unreadable_labels_reported(storm, endpoint, tmp_path):
    rows = [{"Question": workshop(hours).question, "Answer": str(3 * hours)} for hours in (10, 12)]
    rows.append({"Question": workshop(14).question, "Answer": "see above"})
    (tmp_path / "NL4OPT_test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = ("--benchmark", "nl4opt", "--data-dir", ".", "--reasoner", endpoint.url, *LENIENT)
    plan = storm("eval", *settings, "--dry-run", "--out", "out")
    assert "2 problems would go to out" in plan.stdout
    assert "label cannot be read: NL4OPT_test.jsonl:3" in plan.stdout
    assert not (tmp_path / "out").exists()
    shown = storm("eval", *settings, "--display", "none").stdout
    assert "1 left out because their label cannot be read" in shown
    assert "nl4opt        2  50.0 %" in shown


def test_a_dry_run_in_json_contains_the_settings(evaluate):
    plan = json.loads(evaluate("--dry-run", "--limit", 3, "--samples", 4, "--json", "--out", "out").stdout)
    assert (plan["problems"], plan["samples"], plan["out"]) == (3, 4, "out")
    assert from_json(EvalConfig, plan["config"]).limit == 3


def test_families_use_the_held_out_split_by_default(storm):
    plan = json.loads(storm("eval", "--families", "diet", "--limit", 1, "--dry-run", "--json").stdout)
    assert plan["config"]["split"] == "heldout"


def test_help_texts_are_the_docstrings_of_the_settings(storm, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    shown = storm("eval", "--help").stdout
    for field in option_fields(EvalConfig):
        assert field.flag in shown
        assert field.help.split(".")[0] in shown


def test_stress_problems_are_planned_by_kind(storm):
    plan = storm("eval", "--stress", "mixed,qubo", "--limit", 7, "--dry-run", "--out", "out")
    assert plan.stdout.startswith(
        "7 problems would go to out\nKinds: derive_bound 2, see_reduction 2, no_solver_needed 1, "
        "misleading_tolerance 1, qubo 1\n"
    )
    again = json.loads(storm("eval", "--stress", "qubo", "--dry-run", "--json").stdout)
    assert (again["problems"], again["config"]["stress"]) == (10, ["qubo"])


def test_stress_results_are_grouped_by_kind_and_evidence(storm, endpoint, tmp_path):
    kinds = ("two_stage_stochastic", "misleading_tolerance")
    problems = [
        replace(workshop(hours), family=kinds[hours % 2], source=f"stress: {('outside', 'mixed')[hours % 2]}")
        for hours in range(10, 18)
    ]
    write_problems(tmp_path / "stress.jsonl", problems)
    result = storm("eval", "--problems", "stress.jsonl", "--reasoner", endpoint.url, *LENIENT, "--out", "out")
    assert result.exit_code == 0
    assert widest(result.stdout) <= 60
    shown = " ".join(result.stdout.split())
    assert "kind count paper 95 %" in shown
    assert "right answers with a report without none" in shown
    # Outside kind: two direct, two that overrule. Mixed kind: two by hand, two wrong with a report.
    assert "all 4 50 % 15-85 4 0 % 0-49 -" in shown
    assert "two_stage_stochastic 2 100 % 34-100 2 0 % 0-66 -" in shown
    assert "misleading_tolerance 2 0 % 0-66 2 0 % 0-66 -" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give a file of problems, families, test sets or stress sets"),
        (("--problems", "nowhere.jsonl"), "nowhere.jsonl: No such file or directory"),
        (("--families", "sudoku"), 'unknown family "sudoku"; known: all, easy'),
        (("--families", "all", "--rule", "exact"), '--rule: "exact" is unknown. Known: paper, sirl, orlm, mamo'),
        (("--stress", "sudoku"), 'unknown kind of stress problem "sudoku"; known: all, outside, mixed, matrix_games'),
        (("--stress", "all", "--families", "all"), "give a file of problems, families, test sets or stress sets"),
        (("--benchmark", "nl4opt", "--data-dir", "nowhere"), "nowhere: No such file or directory"),
        (("--benchmark", "nl4opt", "--data-dir", "."), ".: no file for nl4opt, such as nl4opt.jsonl"),
        (("--families", "diet", "--data-dir", "."), "--data-dir: needs --benchmark"),
        (("--families", "diet", "--limit", "1", "--reasoner", "gpt"), "reasoner 'gpt' is unknown"),
        (("--resume",), "--resume: needs --out"),
    ],
)
def test_bad_usage_is_a_one_line_error(storm, arguments, message):
    result = storm("eval", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"storm: {message}")
    assert result.stderr.count("\n") == 1


def test_a_failing_endpoint_stops_the_evaluation_which_can_be_resumed(storm, problems):
    with FakeCompletionsServer(mixed, fault=500) as endpoint:
        settings = ("--problems", problems, "--reasoner", endpoint.url, "--out", "out", "--json", "--display", "none")
        stopped = storm("eval", *settings, *LENIENT)
        assert (stopped.exit_code, stopped.stdout) == (1, "")
        assert "5 problems failed one after another" in stopped.stderr
        assert "Resume with: storm eval --out out --resume" in stopped.stderr
        endpoint.fault = None
        resumed = storm("eval", "--out", "out", "--resume", "--json")
    assert resumed.exit_code == 0
    assert json.loads(resumed.stdout)["scored"] == 8


def test_runs_are_compared_in_a_table_and_plots(evaluate, storm, problems, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    evaluate("--out", "runs/base", "--display", "none")
    with FakeCompletionsServer(direct) as better:
        storm("eval", "--problems", problems, "--reasoner", better.url, "--out", "runs/tuned", *LENIENT)
    result = storm("compare", "runs/base", "runs/tuned")
    assert result.exit_code == 0
    assert widest("\n".join(result.stdout.splitlines()[:-1])) <= 60
    shown = " ".join(result.stdout.split())
    assert "paper pass@1 25.0 % (7-59) 100.0 % (68-100)" in shown
    assert "to the first +75.0 (+38 to +100)" in shown
    assert "tuned and base share 8 of 8 problems" in shown
    assert "mean over seeds" not in shown
    assert "programs, 90 % at most 1 of 4 1 of 4" in shown
    assert "budget exhausted 0.0 % 0.0 %" in shown
    evaluate("--out", "runs/seeds", "--seeds", 2, "--display", "none")
    seeds = " ".join(storm("compare", "runs/base", "runs/seeds").stdout.split())
    assert "problems 8 8, 2 seeds" in seeds
    assert "mean over seeds - 25.0 ± 0.0 %" in seeds
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["base", "seeds", "tuned"]
    drawn = storm("compare", "runs/base", "runs/tuned", "--out", "pictures")
    assert "pictures: accuracy.svg and findings.svg" in drawn.stdout
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["accuracy.svg", "findings.svg"]
    again = storm("compare", "runs/base", "runs/tuned", "--out", "pictures")
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr == "storm: pictures is not empty; give a new folder\n"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    without = storm("compare", "runs/base", "runs/tuned", "--out", "more")
    assert (without.exit_code, without.stdout) == (0, storm("compare", "runs/base", "runs/tuned").stdout)
    assert without.stderr.startswith("storm: warning: more: no pictures: ")
    alone = storm("compare", "runs/base")
    assert (alone.exit_code, alone.stdout) == (2, "")
    assert alone.stderr == "storm: give at least two different runs, each the --out of a storm eval\n"


@pytest.mark.timeout(300)
def test_ctrl_c_exits_130_and_prints_the_resume_command(tmp_path):
    def slowly(*situation):
        time.sleep(0.2)
        return mixed(*situation)

    path, out = tmp_path / "problems.jsonl", tmp_path / "out"
    write_problems(path, [workshop(hours) for hours in range(10, 26)])
    with FakeCompletionsServer(slowly) as endpoint:
        settings = ["--problems", str(path), "--reasoner", endpoint.url, "--out", str(out), *LENIENT]
        process = subprocess.Popen(
            [sys.executable, "-c", "from storm_calm.cli.start import main; main()", "eval", *settings],
            cwd=Path(__file__).resolve().parents[2],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        # The file exists shortly before its first line.
        while not (out / "samples.jsonl").exists() or not (out / "samples.jsonl").read_text().endswith("\n"):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"storm: stopped; all finished work is kept. Resume with: storm eval --out {out} --resume" in errors
    assert "Traceback" not in errors
    assert 1 <= len((out / "samples.jsonl").read_text().splitlines()) < 16
