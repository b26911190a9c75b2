"""`storm reproduce`: a table on standard output, stages on standard error, and the command to resume."""

import json

import pytest

from storm_calm.cli.reproduce_display import shown
from storm_calm.rl.reproduce.reproduce_config import ReproduceConfig
from storm_calm.rl.reproduce.stage_jobs import StageProgress
from storm_calm.rl.reproduce.stage_records import record_file
from storm_calm.rl.reproduce.stages import BY_NAME
from support.fake_reproduction import reproduction, stubs


@pytest.fixture
def out(tmp_path):
    """Write a finished reproduction."""
    return reproduction(tmp_path / "out")


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    return stubs(tmp_path / "scripts", monkeypatch)


def test_a_finished_reproduction_prints_its_table_and_the_report_path(storm, out):
    result = storm("reproduce", "--out", "out")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert max(map(len, lines[:-1])) <= 60
    assert any(line.split() == ["SFT", "61.7", "(49-73)", "50.0", "(38-62)", "55.8", "(47-64)"] for line in lines)
    assert "agrees" in result.stdout
    assert lines[-1] == "out/report.html has the figures, the curves and the paper's claims"
    assert {file.name for file in out.iterdir()} == {"seed-0", "report.html", "report.json", "report.md"}


def test_json_is_one_object_on_standard_output(storm, out):
    result = storm("reproduce", "--out", "out", "--json")
    assert json.loads(result.stdout) == json.loads((out / "report.json").read_text())


def test_the_start_and_end_of_each_stage_are_printed(storm, out, scripts):
    record_file(out / "seed-0", "grpo").unlink()
    result = storm("reproduce", "--out", "out")
    first, last = result.stderr.splitlines()
    assert first.startswith("8/11 grpo (seed 0) · 0 s, about ")
    assert last.startswith("8/11 grpo (seed 0) done in ")
    assert result.exit_code == 0


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_ctrl_c_exits_130_stops_the_training_and_prints_the_resume_command(storm, out, scripts, signal):
    (scripts / "stop").write_text(signal)
    record_file(out / "seed-0", "grpo").unlink()
    result = storm("reproduce", "--out", "out", "--seed", 0, "--stages", "grpo,eval-grpo")
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.endswith(
        "storm: stopped; all finished work is kept. "
        "Resume with: storm reproduce --out out --seed 0 --stages grpo,eval-grpo\n"
    )
    assert (scripts / "interrupted").exists()


def test_a_failed_stage_exits_1_and_prints_its_log_file(storm, out, scripts):
    (scripts / "fail").touch()
    record_file(out / "seed-0", "plain-sft").unlink()
    result = storm("reproduce", "--out", "out")
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("storm: stage plain-sft of seed 0 failed: train: training ended early; the learning rate is")
    assert last.endswith("Finished work is kept. Resume with: storm reproduce --out out")
    assert "stages/plain-sft.err" in last


def test_error_for_a_changed_setting_names_it(storm, out):
    result = storm("reproduce", "--out", "out", "--steps", 10)
    assert (result.exit_code, result.stdout) == (2, "")
    problems, steps = ReproduceConfig().problems, ReproduceConfig().steps
    changed = f"stage grpo is finished with other settings (steps: {steps} -> 10); use the old ones, or choose another"
    assert changed in result.stderr
    quick = storm("reproduce", "--out", "out", "--quick")
    assert f"stage curate is finished with other settings (problems: {problems} -> 24)" in quick.stderr


def test_bad_usage_is_a_one_line_error(storm, out):
    for arguments, message in [
        (("--seed", 1, "--seeds", "2"), "give --seed or --seeds, not both"),
        (("--seeds", "1,x"), "seed 'x' is not a whole number of at least 0; example: --seeds 0,1,2"),
        (("--seed", -1), "seed '-1' is not a whole number of at least 0"),
        (("--stages", "grop"), "unknown stage 'grop'; known: curate, export, eval-base, sft"),
        (("--steps", 0), "--steps: 0 is not a whole number of at least 1"),
        (("--seed", 5, "--stages", "sft"), "out/seed-5: stage sft needs export, which is not finished"),
    ]:
        result = storm("reproduce", "--out", "out", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("storm: ")
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


def test_stages_can_be_selected_by_name(storm, out):
    assert storm("reproduce", "--out", "out", "--stages", ",".join(BY_NAME)).exit_code == 0


def test_command_output_is_shown_without_markup(capsys):
    message = "[validate_config] all is [bold]well[/bold]"
    with shown() as report:
        report(
            StageProgress(
                seed=1,
                stage="grpo",
                number=8,
                total=11,
                message=message,
                elapsed=75,
                seconds_left=600,
                next="eval-grpo",
                finished=False,
            )
        )
    assert capsys.readouterr().err == (
        f"8/11 grpo (seed 1) · {message} · 1 min 15 s, then eval-grpo, about 10 min 00 s left in total\n"
    )
