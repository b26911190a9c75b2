"""`storm sweep`: the plan, claims on standard output, stages on standard error, and the command to resume."""

import json

import pytest

from support.fake_sweep import calls, swept, training_stubs

pytestmark = pytest.mark.slow

SIZES = ("--problems", 12, "--golden", 2, "--sft-steps", 1, "--grpo-steps", 1, "--heldout", 2)


@pytest.fixture
def stubs(tmp_path, monkeypatch):
    return training_stubs(tmp_path / "stubs", monkeypatch)


def test_a_dry_run_prints_stages_sharing_and_hours_and_writes_nothing(storm, tmp_path):
    result = storm("sweep", "--studies", "golden,executions", "--seeds", "0,1", "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("seed 0  eval-base: about ")
    assert "    storm train sft --device cpu --model nano-base --data seed-0/mix-golden-10/sft.parquet" in result.stdout
    assert lines[-1].startswith("50 stages go to runs/sweep: 20 eval, 2 curate, 10 mix, 10 sft, 8 grpo. Points share ")
    assert "hours." in lines[-1]
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_as_json_has_every_command(storm):
    result = storm("sweep", "--studies", "hints", "--dry-run", "--json")
    facts = json.loads(result.stdout)
    assert {"name", "kind", "seed", "done", "seconds", "command"} == set(facts["stages"][0])
    assert facts["seconds_left"] == pytest.approx(sum(stage["seconds"] for stage in facts["stages"]), abs=5)


def test_a_finished_sweep_prints_its_claims_and_the_page(storm, tmp_path):
    swept(tmp_path / "out", studies=("flawed",))
    result = storm("sweep", "--out", "out", "--studies", "flawed", "--heldout", 120)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["holds", "Over", "10"]
    assert result.stdout.endswith("out/sweep.html has the plots, out/results.json every number with its commands\n")
    files = {file.name for file in (tmp_path / "out").iterdir()} - {".lock"}
    assert files == {"seed-0", "sweep.json", "sweep.html", "sweep.md", "results.json"}
    as_json = storm("sweep", "--out", "out", "--studies", "flawed", "--heldout", 120, "--json")
    assert json.loads(as_json.stdout) == json.loads((tmp_path / "out" / "results.json").read_text())


def test_a_sweep_runs_with_its_progress_and_a_page(storm, stubs, tmp_path):
    result = storm("sweep", "--quick", "--studies", "executions", "--out", "out", *SIZES)
    assert result.exit_code == 0
    assert "This sweep is too small to show anything." in result.stdout
    assert "grpo-executions-1 (seed 0) done in " in result.stderr
    assert (tmp_path / "out" / "sweep.html").is_file()
    assert [call[:2] for call in calls(stubs) if call[0] == "train"] == [
        ["train", "sft"],
        ["train", "grpo"],
        ["train", "grpo"],
    ]


@pytest.mark.timeout(600)
def test_a_sweep_with_the_real_trainer_trains_the_planned_steps(storm, tmp_path):
    sizes = ("--problems", 16, "--golden", 10, "--sft-steps", 2, "--heldout", 4)
    result = storm("sweep", "--quick", "--studies", "golden", "--out", "out", *sizes)
    assert result.exit_code == 0, result.stderr
    folder = tmp_path / "out" / "seed-0"
    lines = (folder / "sft-reference" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]
    facts = json.loads((tmp_path / "out" / "results.json").read_text())
    assert facts["models"]["sft-reference"]["data"]["0"]["trajectories"] == 10
    assert facts["missing"] == {}
    results = json.loads((folder / "eval-sft-reference" / "results.json").read_text())
    assert (results["reasoner"], results["scored"]) == ("seed-0/sft-reference/nano", 4)


def test_a_failed_stage_is_reported_and_the_others_are_done(storm, stubs, tmp_path):
    (stubs / "fail").write_text("grpo-executions-1")
    result = storm("sweep", "--quick", "--studies", "executions", "--out", "out", *SIZES)
    assert result.exit_code == 1
    warning, last = (line for line in result.stderr.splitlines() if line.startswith("storm: "))
    assert warning.startswith("storm: warning: stage grpo-executions-1 of seed 0 failed: storm: training ended early")
    assert "1 stages that need them did not run. Finished work is kept. Resume with: storm sweep --out out" in last
    assert last.endswith("--problems 12 --golden 2 --sft-steps 1 --grpo-steps 1 --heldout 2")
    facts = json.loads((tmp_path / "out" / "results.json").read_text())
    assert facts["missing"] == {"grpo-executions-1": [0]}


def test_bad_usage_is_a_one_line_error(storm, tmp_path):
    swept(tmp_path / "out", studies=("golden",))
    for arguments, message in [
        (
            ("--studies", "hint"),
            "unknown study 'hint'; known: hints, before_hints, flawed, golden, rollouts, executions, rewards",
        ),
        (("--seeds", "1,x"), "seed 'x' is not a whole number of at least 0; example: --seeds 0,1,2"),
        (("--grpo-steps", 0), "--grpo-steps: 0 is not a whole number of at least 1"),
        (("--out", "out"), "out: made with other settings (heldout: 120 -> 240); choose another --out"),
    ]:
        result = storm("sweep", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("storm: ")
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
