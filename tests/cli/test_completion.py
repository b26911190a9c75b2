"""The shell completes commands, options and the values of options with choices."""

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
