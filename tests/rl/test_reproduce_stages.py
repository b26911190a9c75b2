"""The stages: each runs once, can be resumed, and never mixes settings.

Curation, export and evaluation are real; the training commands are stubs.
"""

import json
import shutil
from dataclasses import replace

import pytest

from storm_calm.rl.reproduce.reproduce_config import ReproduceConfig
from storm_calm.rl.reproduce.run_stages import reproduce
from storm_calm.rl.reproduce.stage_jobs import StageFailedError
from storm_calm.rl.reproduce.stage_records import read_record, record_file
from storm_calm.rl.reproduce.stages import BY_NAME
from storm_calm.rl.reproduce.train_subprocess import TrainingFailedError, train
from support.fake_reproduction import noted, reproduction, stubs

pytestmark = pytest.mark.slow

TINY = ReproduceConfig(problems=4, epochs=1, steps=2, heldout=3)


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """Return the folder of the stubs."""
    return stubs(tmp_path / "scripts", monkeypatch)


def calls(scripts):
    file = scripts / "calls.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Run a reproduction with real stages up to the evaluation of the SFT model.

    Return its folder, progress reports and commands.
    """
    folder = tmp_path_factory.mktemp("made")
    reports = []
    with pytest.MonkeyPatch.context() as patch:
        scripts = stubs(folder / "scripts", patch)
        stages = ("curate", "export", "sft", "eval-sft")
        reproduce(TINY, folder / "out", seeds=(3,), stages=stages, on_progress=reports.append)
    return folder / "out", reports, calls(scripts)


@pytest.fixture
def out(made, tmp_path):
    """Return a copy that tests may change."""
    shutil.copytree(made[0], tmp_path / "out")
    return tmp_path / "out"


def test_every_stage_records_result_settings_and_seconds(made):
    out, reports, called = made
    folder = out / "seed-3"
    for name in ("curate", "export", "sft", "eval-sft"):
        assert (folder / BY_NAME[name].result).is_file()
        record = read_record(folder, name)
        assert (record.finished, record.sessions) == (True, 1)
        assert record.seconds >= 0
    assert record.settings == {"problems": 4, "epochs": 1, "heldout": 3, "seed": 3}
    assert called == [
        [
            *("train_sft.py", "--device", "cpu", "--model", "nano-base", "trainer.total_epochs=1"),
            *("--data", f"{folder}/sft.parquet", "--out", f"{folder}/sft"),
        ]
    ]
    assert (folder / "stages" / "sft.log").read_text() == "22 golden runs\n"
    results = json.loads((folder / "eval-sft" / "results.json").read_text())
    assert (results["reasoner"], results["scored"]) == (f"{folder}/sft/nano", 3)
    finished = [(one.stage, one.number, one.total, one.next) for one in reports if one.finished]
    assert finished == [
        ("curate", 1, 4, "export"),
        ("export", 2, 4, "sft"),
        ("sft", 3, 4, "eval-sft"),
        ("eval-sft", 4, 4, ""),
    ]
    assert any(one.message.endswith("golden") for one in reports if one.stage == "curate")


def test_there_are_as_many_plain_pairs_as_golden_trajectories(made):
    import pyarrow.parquet

    golden, plain = (
        pyarrow.parquet.read_table(made[0] / "seed-3" / name).column("id").to_pylist()
        for name in ("sft.parquet", "plain.parquet")
    )
    assert golden
    assert plain == golden


def test_finished_stages_are_not_run_again(out, scripts):
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*") if file.is_file()}
    reports = []
    reproduce(TINY, out, seeds=(3,), stages=("curate", "export", "sft", "eval-sft"), on_progress=reports.append)
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*") if file.is_file()} == before
    assert (reports, calls(scripts)) == ([], [])


def test_both_grpo_stages_use_equal_steps_and_the_same_seed(out, scripts):
    reproduce(TINY, out, seeds=(3,), stages=("grpo", "grpo-base"))
    folder = out / "seed-3"
    assert [(call[0], call[4], call[6], *call[7:]) for call in calls(scripts)] == [
        ("train_verl.py", f"{folder}/sft/model", f"{folder}/grpo", "trainer.total_training_steps=2", "storm.seed=3"),
        ("train_verl.py", "nano-base", f"{folder}/grpo-base", "trainer.total_training_steps=2", "storm.seed=3"),
    ]


def test_a_stage_whose_result_is_missing_runs_again(out, scripts):
    shutil.rmtree(out / "seed-3" / "sft")
    reproduce(TINY, out, seeds=(3,), stages=("curate", "export", "sft"))
    assert [call[0] for call in calls(scripts)] == ["train_sft.py"]
    assert read_record(out / "seed-3", "sft").sessions == 1


def test_a_changed_setting_of_a_finished_stage_is_an_error_before_any_run(out, scripts):
    with pytest.raises(ValueError, match=r"seed-3: stage sft is finished with other settings \(epochs: 1 -> 2\); use"):
        reproduce(replace(TINY, epochs=2), out, seeds=(3,))
    with pytest.raises(ValueError, match=r"stage curate is finished with other settings \(problems: 4 -> 5\)"):
        reproduce(replace(TINY, problems=5), out, seeds=(4,))
    assert not (out / "seed-4").exists()
    # No finished stage depends on it.
    reproduce(replace(TINY, steps=3), out, seeds=(3,), stages=("grpo",))
    assert "trainer.total_training_steps=3" in calls(scripts)[0]


def test_error_for_a_failed_stage_has_its_log_and_the_stage_can_be_resumed(out, scripts):
    (scripts / "fail").touch()
    with pytest.raises(StageFailedError) as caught:
        reproduce(TINY, out, seeds=(3,), stages=("plain-sft",))
    log = out / "seed-3" / "stages" / "plain-sft.err"
    assert str(caught.value) == (
        "stage plain-sft of seed 3 failed: train: training ended early; the learning rate is a pear; "
        f"see {log.resolve()}"
    )
    assert "the learning rate is a pear" in log.read_text()
    begun = read_record(out / "seed-3", "plain-sft")
    assert (begun.finished, begun.sessions) == (False, 1)
    (scripts / "fail").unlink()
    reproduce(TINY, out, seeds=(3,), stages=("plain-sft",))
    done = read_record(out / "seed-3", "plain-sft")
    assert (done.finished, done.sessions) == (True, 2)
    assert done.seconds >= begun.seconds > 0


def test_a_command_that_writes_no_model_has_failed(out, scripts):
    (scripts / "nothing").touch()
    with pytest.raises(StageFailedError, match=r"stage plain-sft of seed 3 failed: it did not write .*nano/model.onnx"):
        reproduce(TINY, out, seeds=(3,), stages=("plain-sft",))
    assert not read_record(out / "seed-3", "plain-sft").finished


def test_ctrl_c_is_forwarded_to_the_command(out, scripts):
    (scripts / "stop").touch()
    with pytest.raises(KeyboardInterrupt):
        reproduce(TINY, out, seeds=(3,), stages=("grpo",))
    assert (scripts / "interrupted").exists()
    assert (out / "seed-3" / "stages" / "grpo.err").read_text() == "train: stopped\n"
    assert not read_record(out / "seed-3", "grpo").finished


def test_the_error_of_a_command_is_its_last_line(scripts, tmp_path):
    log = tmp_path / "log"
    for file in (log, tmp_path / "log.err"):
        file.write_text("of yesterday\n")
    (scripts / "fail").touch()
    with pytest.raises(TrainingFailedError, match=r"^train: training ended early; the learning rate is a pear$"):
        train("train_sft", ["--out", str(tmp_path)], log, lambda line: None)
    assert log.read_text() == "of yesterday\n22 golden runs\n"


def test_error_for_a_missing_earlier_stage_names_it(tmp_path):
    with pytest.raises(ValueError, match="stage sft needs export, which is not finished; add export to --stages"):
        reproduce(TINY, tmp_path / "out", seeds=(0,), stages=("sft",))
    with pytest.raises(ValueError, match="unknown stage 'eval'; known: curate, export, eval-base, sft"):
        reproduce(TINY, tmp_path / "out", seeds=(0,), stages=("eval",))
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_files_is_an_error(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"contains something other than a reproduction \(thesis.tex\)"):
        reproduce(TINY, tmp_path, seeds=(0,))


def test_error_for_an_invalid_record_names_it(tmp_path):
    noted(tmp_path / "seed-0", "curate", seed=0)
    record_file(tmp_path / "seed-0", "curate").write_text("{}")
    with pytest.raises(
        ValueError, match=r"curate\.json: not the record of a stage .*; delete it to run the stage again"
    ):
        reproduce(ReproduceConfig(), tmp_path, seeds=(0,))


def test_the_remaining_time_is_estimated_from_finished_stages(tmp_path, scripts):
    reproduction(tmp_path / "out", seeds=(0,))
    folder = tmp_path / "out" / "seed-0"
    for name in ("grpo", "grpo-base", "eval-grpo-base"):
        record_file(folder, name).unlink()
    reports = []
    reproduce(ReproduceConfig(), tmp_path / "out", seeds=(0,), stages=("grpo", "grpo-base"), on_progress=reports.append)
    config = ReproduceConfig()
    known = [stage for name, stage in BY_NAME.items() if name not in ("grpo", "grpo-base", "eval-grpo-base")]
    pace = (4 * 30.0 + 4 * 300.0) / sum(stage.typical_seconds(config) for stage in known)
    assert reports[0].seconds_left == pytest.approx(2 * pace * BY_NAME["grpo"].typical_seconds(config), rel=0.01)
    # The second one is expected to take as long as the first one.
    second = next(one for one in reports if one.stage == "grpo-base")
    assert second.seconds_left == pytest.approx(read_record(folder, "grpo").seconds, abs=0.2)


@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_error_for_an_invalid_option_names_it(value):
    with pytest.raises(ValueError, match=f"steps: {value!r} is not a whole number of at least 1"):
        ReproduceConfig(steps=value)
