"""docs/cli.md is generated from the commands."""

import sys
from pathlib import Path

import pytest

from storm_calm.cli.docs import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="argparse lays help out differently")
def test_the_commands_page_is_up_to_date():
    assert PAGE.read_text() == page(), "python -m storm_calm.cli.docs > docs/cli.md"
