"""A documented class defines the options of a command: fields, groups, help texts and checks."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.runs.options import Config, Option, OptionError, check_options, option_fields, to_toml
from storm_calm.agents.runs.sandbox_options import EpisodeOptions
from storm_calm.serving.api.config import ServeConfig


@dataclass(frozen=True, kw_only=True)
class Kitchen:
    group: ClassVar[str] = "Kitchen"

    oven: Literal["gas", "wood"] = "gas"
    """What heats
    the oven."""
    degrees: Annotated[float, Option(metavar="C", above=0)] = 200.0
    """How hot it is."""


@dataclass(frozen=True, kw_only=True)
class Pizza(Kitchen, Config):
    group: ClassVar[str] = "Pizza"

    oven: Literal["gas", "wood"] = "wood"
    slices: Annotated[int | None, Option(least=1, most=12)] = None
    """Slices of one."""
    toppings: tuple[str, ...] = ()
    """What is on it."""

    def __post_init__(self):
        check_options(self)


def test_fields_have_the_group_help_and_metadata_of_the_class_that_declares_them():
    found = {field.name: field for field in option_fields(Pizza)}
    assert list(found) == ["oven", "degrees", "slices", "toppings"]
    assert [field.group for field in found.values()] == ["Kitchen", "Kitchen", "Pizza", "Pizza"]
    assert (found["oven"].help, found["oven"].default) == ("What heats the oven.", "wood")
    assert found["oven"].option.choices == ("gas", "wood")
    assert (found["degrees"].type, found["degrees"].option.metavar) == (float, "C")
    assert (found["slices"].type, found["slices"].optional, found["slices"].flag) == (int, True, "--slices")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"oven": "coal"}, 'oven: "coal" is not one of gas, wood'),
        ({"degrees": 0}, "degrees: 0 is not a number above 0"),
        ({"degrees": "hot"}, "degrees: 'hot' is not a number above 0"),
        ({"degrees": float("nan")}, "degrees: nan is not a number above 0"),
        ({"slices": 13}, "slices: 13 is not a whole number from 1 to 12"),
        ({"slices": True}, "slices: True is not a whole number from 1 to 12"),
        ({"toppings": "ham"}, "toppings: 'ham' is not a list"),
        ({"toppings": [1]}, "toppings: 1 is not text"),
        ({"crust": "thin"}, "crust: unknown setting. Known: oven, degrees, slices, toppings"),
    ],
)
def test_error_for_an_invalid_value_names_the_field(settings, message):
    with pytest.raises(OptionError) as caught:
        Pizza.from_dict(settings)
    assert str(caught.value) == message


def test_settings_round_trip_and_omit_none():
    pizza = Pizza(toppings=("ham", "basil"), degrees=300)
    assert to_toml(pizza) == {"oven": "wood", "degrees": 300, "toppings": ["ham", "basil"]}
    assert Pizza.from_dict(to_toml(pizza)) == pizza


@pytest.mark.parametrize("config", [CurateConfig, EvalConfig, ServeConfig])
def test_commands_that_run_programs_share_the_sandbox_options(config):
    shared = {field.name for field in option_fields(EpisodeOptions)}
    assert shared == {"sandbox", "minimum_isolation", "solver_seconds", "memory_mb", "max_executions", "max_tokens"}
    groups = {field.group for field in option_fields(config) if field.name in shared}
    assert groups == {"Sandbox and limits"}


@pytest.mark.parametrize("config", [CurateConfig, EvalConfig, ServeConfig])
def test_every_field_is_documented_in_sentences(config):
    assert all(field.help.endswith(".") for field in option_fields(config))


def test_the_sandbox_opens_with_the_limits_that_are_given():
    options = EpisodeOptions(minimum_isolation="limits", solver_seconds=0.4, memory_mb=300)
    with options.open_sandbox(workers=1) as sandbox:
        assert (sandbox.limits.seconds, sandbox.limits.memory_mb, sandbox.workers) == (0.4, 300, 1)
        assert sandbox.run("while True: pass").status == "timeout"
