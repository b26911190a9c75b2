"""The run folder of a training run: one configuration, one process, and metrics that survive a kill."""

import json
import subprocess
import sys

import pytest
import yaml

from storm_calm.rl.run_folder import claim_training_folder, gather_metrics, new_metrics_file

pytestmark = pytest.mark.slow

SETTINGS = {"storm": {"seed": 1, "workers": 2}, "trainer": {"total_training_steps": 3}, "ray_kwargs": {"cpus": 2}}


def changed(section, name, value):
    return {**SETTINGS, section: {**SETTINGS[section], name: value}}


def begin(out):
    (out / "checkpoints" / "global_step_2").mkdir(parents=True)


def test_a_run_resumes_only_with_the_same_settings(tmp_path):
    out = tmp_path / "run"
    with claim_training_folder(out, SETTINGS):
        assert yaml.safe_load((out / "config.yaml").read_text()) == SETTINGS
        begin(out)
    with claim_training_folder(out, SETTINGS):
        pass
    with (
        pytest.raises(ValueError, match=r"made with other settings \(storm\.seed: 1 -> 2\)"),
        claim_training_folder(out, changed("storm", "seed", 2)),
    ):
        pass
    assert yaml.safe_load((out / "config.yaml").read_text()) == SETTINGS


@pytest.mark.parametrize(
    ("section", "name"), [("trainer", "total_training_steps"), ("storm", "workers"), ("ray_kwargs", "cpus")]
)
def test_settings_without_effect_on_results_may_change(tmp_path, section, name):
    with claim_training_folder(tmp_path, SETTINGS):
        begin(tmp_path)
    with claim_training_folder(tmp_path, changed(section, name, 9)):
        assert yaml.safe_load((tmp_path / "config.yaml").read_text())[section][name] == 9


def test_a_run_without_a_checkpoint_may_start_again_with_other_settings(tmp_path):
    with claim_training_folder(tmp_path, SETTINGS):
        pass
    with claim_training_folder(tmp_path, changed("storm", "seed", 2)):
        pass


def test_a_folder_with_other_files_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with (
        pytest.raises(ValueError, match="holds something else than a training run"),
        claim_training_folder(tmp_path, SETTINGS),
    ):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_two_processes_never_train_into_one_folder(tmp_path):
    code = f"""if True:
        from pathlib import Path
        from storm_calm.rl.run_folder import claim_training_folder
        with claim_training_folder(Path({str(tmp_path)!r}), {{}}):
            pass
    """
    with claim_training_folder(tmp_path, {}):
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "another process trains into it" in run.stderr


def step(number, **data):
    return json.dumps({"step": number, "data": data}) + "\n"


def test_metrics_of_all_sessions_are_merged(tmp_path):
    first = new_metrics_file(tmp_path)
    first.write_text(step(1, a=1.0) + step(2, a=2.0) + step(3, a=3.0) + '{"step": 4, "da')
    second = new_metrics_file(tmp_path)
    assert second != first
    second.write_text(step(3, a=30.0) + step(3, b=1.0))
    found = gather_metrics(tmp_path)
    assert found == [
        {"step": 1, "data": {"a": 1.0}},
        {"step": 2, "data": {"a": 2.0}},
        {"step": 3, "data": {"a": 30.0, "b": 1.0}},
    ]
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == found


def test_steps_after_the_checkpoint_that_a_session_resumed_from_are_dropped(tmp_path):
    new_metrics_file(tmp_path).write_text("".join(step(number, a=0.0) for number in range(1, 6)))
    new_metrics_file(tmp_path).write_text(step(3, a=1.0))
    assert [found["step"] for found in gather_metrics(tmp_path)] == [1, 2, 3]
