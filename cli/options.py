"""Command-line options from a documented config class, and config values from all their sources.

    @options_of(CurateConfig)
    def curate(given: Given, *, out: Out = None) -> None:
        config = read_config(CurateConfig, given)

Each field is an option: its docstring is the help text, and the `group` of its class is the heading. Values come from
defaults, the resumed run folder, a TOML file and the command line; later sources win.
"""

import inspect
import tomllib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from storm_calm.agents.runs.options import Config, OptionError, OptionField, option_fields

Given = dict[str, Any]
"""The options on the command line, by field name."""
C = TypeVar("C", bound=Config)


def option(metavar: str, help: str, **more: Any) -> Any:
    return typer.Option(metavar=metavar, help=help, **more)


def flag(names: str, help: str) -> Any:
    """Return a boolean option. Without a slash in its names it has no --no- form."""
    return typer.Option(names, metavar="", help=help)


def argument(metavar: str, help: str) -> Any:
    return typer.Argument(metavar=metavar, help=help)


ConfigFile = Annotated[Path | None, option("FILE", "TOML file of settings, such as config.toml of a run folder.")]
Out = Annotated[Path | None, option("DIR", "Run folder to write. Default: a new one under runs/.")]
Resume = Annotated[bool, flag("--resume", "Resume the run in --out with its stored settings.")]
DryRun = Annotated[bool, flag("--dry-run", "Check the input, print the plan and exit.")]
AsJson = Annotated[bool, flag("--json", "Print one JSON object on standard output.")]
Display = Annotated[
    Literal["rich", "plain", "none"] | None,
    option("rich|plain|none", "Progress on standard error. Default: rich on a terminal, else plain."),
]


def options_of(config: Any, *, only: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds the fields of a config class as options to a command.

    The first parameter of the command receives the values given on the command line. only: the fields to add.
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
    """Return the config from defaults, the resumed run folder, a TOML file and options.

    sources: fields that select where problems come from; a layer that sets one of them replaces all.
    Raises ValueError that names the option or the file.
    """
    from storm_calm.agents.runs.run_folder import stored_settings

    settings: dict[str, Any] = {}
    in_file = _read(file) if file else {}
    for layer in (stored_settings(resumed) or {} if resumed else {}, in_file, given):
        if any(layer.get(name) for name in sources):
            settings = {name: value for name, value in settings.items() if name not in sources}
        settings |= layer
    # The config.toml of a run folder has these too.
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

    def complete(incomplete: str) -> list[str]:
        return [choice for choice in option.choices if choice.startswith(incomplete)]

    kind = list[str] if option.repeat else str if field.type is tuple else field.type
    text = field.help
    if field.default not in ("", (), None):
        default = field.default
        shown = ",".join(default) if field.type is tuple else f"{default:g}" if field.type is float else default
        text = f"{text} Default: {('off', 'on')[default] if field.type is bool else shown}."
    switch = field.type is bool
    info = typer.Option(
        f"{field.flag}/--no-{field.flag[2:]}" if switch else field.flag,
        metavar="" if switch else option.metavar or "|".join(option.choices) or None,
        help=text,
        rich_help_panel=field.group,
        autocompletion=complete if option.choices else None,
    )
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, info]
    )


def _value(field: OptionField, value: Any) -> Any:
    if value is None or field.type is not tuple:
        return value
    # A repeatable option that is not given is an empty list.
    return (tuple(value) or None) if field.option.repeat else names(value)


def names(text: str | None) -> tuple[str, ...] | None:
    """Split at commas; return None for None."""
    return None if text is None else tuple(name.strip() for name in text.split(","))


def read_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds in a list with commas. Raises ValueError for one that is not a whole number of at least 0."""
    words = names(text) or ()
    for word in words:
        if not word.isdecimal():
            raise ValueError(f"seed {word!r} is not a whole number of at least 0; example: --seeds 0,1,2")
    return tuple(dict.fromkeys(map(int, words)))


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: not TOML: {error}") from error
