"""Values survive a round trip through JSON data; errors name the field and the fix."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest

from storm_calm.env.serialize import from_json, to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    size: int
    kind: Literal["big", "small"] = "small"

    def __post_init__(self):
        if self.size < 0:
            raise ValueError(f"size is {self.size}; give 0 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole:
    name: str
    parts: tuple[Part, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    limit: float | Literal["none"] = "none"
    ids: tuple[int, ...] | None = None


WHOLE = Whole(
    name="ä", parts=(Part(size=1), Part(size=2, kind="big")), files={"a": b"\xfb\xff\xbf"}, limit=0.5, ids=(1,)
)
DATA = {
    "name": "ä",
    "parts": [{"size": 1, "kind": "small"}, {"size": 2, "kind": "big"}],
    "files": {"a": "+/+/"},
    "limit": 0.5,
    "ids": [1],
}


def test_a_value_round_trips():
    assert to_json(WHOLE) == DATA
    assert from_json(Whole, json.loads(json.dumps(to_json(WHOLE)))) == WHOLE
    assert from_json(Whole, {"name": "a"}) == Whole(name="a")


def test_integers_are_accepted_as_floats():
    limit = from_json(Whole, {"name": "a", "limit": 2}).limit
    assert (limit, type(limit)) == (2.0, float)


def test_numbers_can_be_rounded():
    assert to_json(Whole(name="a", limit=2 / 3), digits=2)["limit"] == 0.67


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ...}, '"name" is missing'),
        ({"colour": "red"}, '"colour" is not a known field; remove it'),
        ({"name": 5}, '"name" is 5; give a text'),
        ({"name": None}, '"name" is null; give a text'),
        ({"parts": "ab"}, '"parts" is "ab"; give a list'),
        ({"parts": [{}]}, '"parts[0].size" is missing'),
        ({"parts": [{"size": 1}, {"size": 1, "weight": 2}]}, '"parts[1].weight" is not a known field; remove it'),
        ({"parts": [3]}, '"parts[0]" is 3; give an object'),
        ({"parts": [{"size": True}]}, '"parts[0].size" is true; give a whole number'),
        ({"parts": [{"size": "1"}]}, '"parts[0].size" is "1"; give a whole number'),
        ({"parts": [{"size": 1.0}]}, '"parts[0].size" is 1.0; give a whole number'),
        ({"parts": [{"size": -1}]}, "parts[0]: size is -1; give 0 or more"),
        ({"parts": [{"size": 1, "kind": "huge"}]}, '"parts[0].kind" is "huge"; give "big" or "small"'),
        ({"limit": float("nan")}, '"limit" is NaN; give a finite number or "none"'),
        ({"limit": "all"}, '"limit" is "all"; give a number or "none"'),
        ({"ids": [1, None]}, '"ids[1]" is null; give a whole number'),
        ({"files": {"a": 5}}, "files.a: 5 is not a text; give bytes as base64"),
        ({"files": {"a": "#"}}, "files.a: not base64: "),
        ({"files": []}, '"files" is []; give an object'),
        ({"name": 10**400}, f'"name" is {"1" + "0" * 56}...; give a text'),
    ],
)
def test_errors_name_the_field_and_the_fix(change, message):
    data = {name: value for name, value in {**DATA, **change}.items() if value is not ...}
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        from_json(Whole, data)
    assert str(caught.value).startswith(message)
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize("data", [None, 5, "text", ["name"]])
def test_data_must_be_an_object(data):
    with pytest.raises(ValueError, match="; give an object"):
        from_json(Whole, data)


def test_the_fork_servers_do_not_load_pydantic():
    code = (
        "import sys\nimport storm_calm.env, storm_calm.sandbox.zygote.startup, storm_calm.sandbox.backends.local\n"
        "print('pydantic' in sys.modules, 'pydantic_core' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False False\n"
