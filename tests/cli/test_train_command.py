"""`storm train`: the training scripts, with their own options."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("name", "script"), [("sft", "train_sft.py"), ("grpo", "train_verl.py")])
def test_help_is_the_scripts_help(storm, monkeypatch, name, script):
    monkeypatch.setenv("COLUMNS", "200")
    result = storm("train", name, "--help")
    command = [sys.executable, f"rl/{script}", "--help"]
    direct = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert result.exit_code == 0
    assert result.stdout.split() == direct.replace(f"python rl/{script} [", f"storm train {name} [", 1).split()
    lines = result.stdout.strip().splitlines()
    assert lines[-3] == "Examples:"
    assert all(line.strip().startswith(f"storm train {name} ") for line in lines[-2:])


@pytest.mark.parametrize("name", ["sft", "grpo"])
def test_error_for_a_missing_extra_has_the_install_command(storm, monkeypatch, name):
    monkeypatch.setitem(sys.modules, "hydra", None)
    result = storm("train", name, "--dry-run")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "storm: training needs the package hydra: pip install 'storm-calm[train]'\n"


def test_options_are_passed_to_the_script(storm):
    result = storm("train", "grpo", "--device", "tpu")
    assert result.exit_code == 2
    assert "invalid choice: 'tpu'" in result.stderr
