"""Command-line options from a documented config class, and values from defaults, a run folder, a TOML file and options.

    @options_of(CurateConfig)
    def curate(given: Given, *, out: Out = None) -> None:
        config = read_config(CurateConfig, given)

Each field is an option: its docstring is the help, its class's `group` the heading.
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from storm_calm.agents.runs.options import Config, OptionError, OptionField, option_fields

Given = dict[str, Any]
"""The options that were given, by the name of their field."""
C = TypeVar("C", bound=Config)

ConfigFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Settings in TOML, such as another run's config.toml.")
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="The run folder; by default a new one under runs/.")]
Resume = Annotated[
    bool, typer.Option("--resume", metavar="", help="Continue the run in --out, with the settings that it has.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", metavar="", help="Check the input and show what would be done.")]
AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object and nothing else.")]
Display = Annotated[
    Literal["rich", "plain", "none"] | None,
    typer.Option(metavar="rich|plain|none", help="Progress on standard error: a live bar, lines, or nothing."),
]


def options_of(config: Any, *, only: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of the dataclass `config`. Its first parameter receives those that are given.

    only: the fields to take; by default all.
    """
    chosen = [field for field in option_fields(config) if not only or field.name in only]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(command, eval_str=True).parameters.values()

        def run(**values: Any) -> None:
            texts = {field.name: values.pop(field.name) for field in chosen}
            given = {field.name: _value(field, texts[field.name]) for field in chosen}
            return command({name: value for name, value in given.items() if value is not None}, **values)

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = inspect.Signature([*own, *map(_parameter, chosen)])  # type: ignore[attr-defined]
        return run

    return decorate


def read_config(
    cls: type[C], given: Given, file: Path | None = None, resumed: Path | None = None, *, sources: Collection[str] = ()
) -> C:
    """Return the config: defaults, then the settings of the resumed run folder, then of a TOML file, then options.

    sources: the fields that say where problems come from; a layer that gives one replaces all of them.
    Raises ValueError that names the option or, if it comes from there, the file.
    """
    from storm_calm.agents.runs.run_folder import stored_settings

    settings: dict[str, Any] = {}
    in_file = _read(file) if file else {}
    for layer in (stored_settings(resumed) or {} if resumed else {}, in_file, given):
        if any(layer.get(name) for name in sources):
            settings = {name: value for name, value in settings.items() if name not in sources}
        settings |= layer
    # A file may be the config.toml of another run.
    for name in ("problems_digest", "format_version"):
        settings.pop(name, None)
    try:
        return cls.from_dict(settings)
    except OptionError as error:
        if error.name in in_file and error.name not in given:
            raise ValueError(f"{file}: {error}") from None
        raise


def _parameter(field: OptionField) -> inspect.Parameter:
    option = field.option
    kind = list[str] if option.repeat else str if field.type is tuple else field.type
    text = field.help
    if field.default not in ("", (), None):
        default = field.default
        shown = ",".join(default) if field.type is tuple else f"{default:g}" if field.type is float else default
        text = f"{text} Default: {shown}."
    info = typer.Option(
        field.flag,
        metavar=option.metavar or "|".join(option.choices) or None,
        help=text,
        rich_help_panel=field.group,
        autocompletion=_completion(option.choices) if option.choices else None,
    )
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, info]
    )


def _completion(choices: tuple[str, ...]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [choice for choice in choices if choice.startswith(incomplete)]

    return complete


def _value(field: OptionField, value: Any) -> Any:
    if value is None or field.type is not tuple:
        return value
    # A repeatable option is an empty list if it is not given.
    return (tuple(value) or None) if field.option.repeat else names(value)


def names(text: str | None) -> tuple[str, ...] | None:
    """Return the parts between commas; None for None."""
    return None if text is None else tuple(name.strip() for name in text.split(","))


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: not TOML: {error}") from error
