"""The shell completes commands, options and the values of options with choices."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from storm_calm.cli.main import app


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("storm cu", {"curate"}),
        ("storm curate --split ", {"train", "heldout"}),
        ("storm serve --minimum-isolation l", {"landlock", "limits"}),
        ("storm train ", {"sft", "grpo"}),
    ],
)
def test_commands_options_and_choices_are_completed(words, wanted):
    parts = words.split(" ")
    environment = {"_STORM_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(parts) - 1)}
    result = CliRunner().invoke(app, [], env=environment, prog_name="storm")
    assert set(result.stdout.split()) == wanted


def test_the_script_for_bash_completes_commands_and_choices():
    if shutil.which("bash") is None:
        pytest.skip("impossible here: no bash")
    storm = Path(sys.executable).with_name("storm")
    script = f"""
    PATH={storm.parent}:$PATH
    eval "$(storm --show-completion)"
    COMP_WORDS=(storm fam) COMP_CWORD=1
    _storm_completion storm; echo "${{COMPREPLY[@]}}"
    COMP_WORDS=(storm export run --format verl) COMP_CWORD=4
    _storm_completion storm; echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "families\nverl-sft verl-rl\n"
