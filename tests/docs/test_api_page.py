"""The API reference has every public name of `storm_calm` and `storm_calm.sandbox`, once, and no other."""

import re
from pathlib import Path

import storm_calm
from storm_calm import sandbox

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def test_the_api_reference_has_every_public_name_once():
    directives = re.findall(r"^\.\. auto\w+:: ([\w.]+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    names = sorted(directive.rpartition(".")[2] for directive in directives)
    assert names == sorted({*storm_calm.__all__, *sandbox.__all__})
