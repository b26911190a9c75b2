"""Options of a command from one documented dataclass, which the command line, TOML and Python share.

    @dataclass(frozen=True, kw_only=True)
    class DietConfig:
        group: ClassVar[str] = "Diet"
        meals: Annotated[int, Option(least=1)] = 3
        \"\"\"Meals a day.\"\"\"

    option_fields(DietConfig)[0].help

The docstring below a field is its help text. `check_options` validates the values against the annotations.
"""

import ast
import inspect
import math
import textwrap
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, Literal, Self, cast, get_args, get_origin, get_type_hints


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """A field's form on the command line and its accepted values; part of its `Annotated`."""

    metavar: str = ""
    """Placeholder in the help; by default the choices or the type."""
    name: str = ""
    """The option's name, if it differs from the field's: "--origin" for a field "origins"."""
    repeat: bool = False
    """Whether a list is given by repeating the option instead of with commas."""
    choices: tuple[str, ...] = ()
    """Accepted values; a `Literal` needs none here."""
    least: float | None = None
    most: float | None = None
    above: float | None = None
    """An exclusive lower bound."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OptionField:
    """A field of a config, with what the command line needs."""

    name: str
    type: Any
    """Its annotation without `Annotated`, `Literal` and None: str, int, float, bool, Path, or tuple."""
    optional: bool
    """Whether it may be None."""
    default: Any
    help: str
    group: str
    """The heading in the help: `group` of the class that declares the field first."""
    option: Option

    @property
    def flag(self) -> str:
        """The option on the command line, such as "--solver-seconds"."""
        return self.option.name or f"--{self.name.replace('_', '-')}"

    def check(self, value: Any) -> None:
        """Raise OptionError for an invalid value."""
        if value is None and self.optional:
            return
        if self.type is tuple and not isinstance(value, tuple):
            raise OptionError(self.name, f"{value!r} is not a list")
        for item in value if self.type is tuple else (value,):
            if self.type in (int, float):
                self._check_number(item)
            elif self.type is bool and not isinstance(item, bool):
                raise OptionError(self.name, f"{item!r} is not true or false")
            elif self.type in (str, tuple) and not isinstance(item, str):
                raise OptionError(self.name, f"{item!r} is not text")
            elif self.option.choices and item not in self.option.choices:
                raise OptionError(self.name, f'"{item}" is not one of {", ".join(self.option.choices)}')

    def _check_number(self, value: Any) -> None:
        kinds = int if self.type is int else (int, float)
        least, most, above = self.option.least, self.option.most, self.option.above
        if (
            isinstance(value, kinds)
            and not isinstance(value, bool)
            and math.isfinite(value)
            and (least is None or value >= least)
            and (most is None or value <= most)
            and (above is None or value > above)
        ):
            return
        bounds = f" of at least {least:g}" if least is not None else f" above {above:g}" if above is not None else ""
        if least is not None and most is not None:
            bounds = f" from {least:g} to {most:g}"
        noun = "whole number" if self.type is int else "number"
        raise OptionError(self.name, f"{value!r} is not a {noun}{bounds}")


class OptionError(ValueError):
    """An invalid value of an option. name: the field."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


class Config:
    """A config that can be read from TOML and the command line."""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the config with these settings. Raises OptionError for unknown settings and invalid values."""
        known = {field.name: field for field in option_fields(cast(Any, cls))}
        for name in data:
            if name not in known:
                raise OptionError(name, f"unknown setting. Known: {', '.join(known)}")
        lists = {
            name: tuple(dict.fromkeys(value))  # Without duplicates.
            for name, value in data.items()
            if known[name].type is tuple and isinstance(value, list | tuple)
        }
        return cls(**{**data, **lists})


def to_toml(config: Any) -> dict[str, Any]:
    """Return the settings as TOML data. Fields with None are omitted, since TOML has no null."""
    values = {field.name: getattr(config, field.name) for field in option_fields(cast(Any, type(config)))}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value is not None
    }


def check_options(config: Any) -> None:
    """Raise OptionError for the first field with an invalid value."""
    for field in option_fields(cast(Any, type(config))):
        field.check(getattr(config, field.name))


@cache
def option_fields(cls: Any) -> tuple[OptionField, ...]:
    """Return the fields of the dataclass `cls`: first those of its bases in their order, then its own."""
    options: dict[str, Option] = {}
    helps: dict[str, str] = {}
    declared: dict[str, Any] = {}
    for base in reversed(cls.__mro__[:-1]):
        texts = _docstrings(base)
        hints = get_type_hints(base, include_extras=True) if texts else {}
        for name, text in texts.items():
            found = [one for one in getattr(hints[name], "__metadata__", ()) if isinstance(one, Option)]
            options[name] = found[0] if found else options.get(name, Option())
            helps[name] = text or helps.get(name, "")
            declared.setdefault(name, base)
    hints = get_type_hints(cls)
    defaults = {field.name: field.default for field in fields(cls)}
    # Groups are in the order of the bases, fields in a group in the order of declaration.
    groups = {
        base.group: place for place, base in reversed([*enumerate((*cls.__mro__[1:-1], cls))]) if _docstrings(base)
    }
    names = sorted(
        declared.keys() & defaults.keys(), key=lambda name: (groups[declared[name].group], [*declared].index(name))
    )
    return tuple(
        _field(name, hints[name], defaults[name], helps[name], declared[name].group, options[name]) for name in names
    )


def _field(name: str, hint: Any, default: Any, help: str, group: str, option: Option) -> OptionField:
    optional = False
    if get_origin(hint) in (types.UnionType, typing.Union):
        optional = type(None) in get_args(hint)
        (hint,) = (one for one in get_args(hint) if one is not type(None))
    inner = get_args(hint)[0] if get_origin(hint) is tuple else hint
    if get_origin(inner) is Literal:
        option = replace(option, choices=get_args(inner))
    kind = tuple if get_origin(hint) is tuple else str if get_origin(hint) is Literal else hint
    assert help, f"{name} has no docstring"
    return OptionField(name=name, type=kind, optional=optional, default=default, help=help, group=group, option=option)


def _docstrings(cls: Any) -> dict[str, str]:
    """Return the docstring of each field that `cls` itself declares, on one line; "" for a missing one."""
    if not (names := [field for field in vars(cls).get("__annotations__", {}) if field != "group"]):
        return {}
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    texts = dict.fromkeys(names, "")
    for field, text in zip(body.body, body.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                texts[name] = " ".join(words.split())
    return texts
