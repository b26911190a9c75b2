"""Loggers of metrics: mistakes are found early, and nothing is uploaded by default."""

import pytest

from storm_calm.rl import metric_loggers
from storm_calm.rl.metric_loggers import LOGGERS, check_loggers, logger_environment


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in ("WANDB_MODE", "WANDB_DIR", "MLFLOW_TRACKING_URI", "TRACKIO_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_the_default_loggers_are_accepted_and_unknown_ones_are_listed():
    check_loggers(["console", "file", "tensorboard"])
    check_loggers("file")
    with pytest.raises(ValueError, match=r"'wandbb' is unknown; give some of console, file, tensorboard, wandb"):
        check_loggers(["file", "wandbb"])
    with pytest.raises(ValueError, match=r"add file, as in trainer.logger=\[file,console,tensorboard\]"):
        check_loggers(["console", "tensorboard"])


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_a_missing_package_is_an_error_with_its_pip_command(monkeypatch, name):
    monkeypatch.setattr(metric_loggers, "find_spec", lambda package: None)
    with pytest.raises(ValueError, match=f"{name} needs the package {name}; pip install {name}"):
        check_loggers(["file", name])
    monkeypatch.setattr(metric_loggers, "find_spec", lambda package: object())
    check_loggers(list(LOGGERS))


def test_by_default_everything_stays_in_the_run_folder(tmp_path):
    assert logger_environment(["file"], tmp_path)["WANDB_MODE"] == "disabled"
    found = logger_environment(["file", "wandb"], tmp_path)
    assert found["WANDB_MODE"] == "offline"
    assert found["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path}/mlflow.db"
    assert {found[name] for name in ("WANDB_DIR", "TENSORBOARD_DIR", "TRACKIO_DIR")} == {
        str(tmp_path / name) for name in ("", "tensorboard", "trackio")
    }


def test_variables_of_the_user_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    found = logger_environment(["file", "wandb", "mlflow"], tmp_path)
    assert (found["WANDB_MODE"], found["MLFLOW_TRACKING_URI"]) == ("online", "http://tracking.example:5000")
