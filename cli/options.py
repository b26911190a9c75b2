"""Settings of a command that works on many problems: help from docstrings, values from a run, a file and flags."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from storm_calm.agents.runs.settings import help_texts


def option_texts(cls: Any) -> dict[str, str]:
    """The help text of each field of a configuration, with its default."""
    defaults = {field.name: field.default for field in fields(cls) if field.default not in ("", (), None)}
    return {
        name: f"{text} Default: {_shown(defaults[name])}." if name in defaults else text
        for name, text in help_texts(cls).items()
    }


def names(text: str | None) -> tuple[str, ...] | None:
    """What a flag with commas gives; None where it is not given."""
    return None if text is None else tuple(name.strip() for name in text.split(","))


def layered(
    flags: Mapping[str, Any], file: Path | None, resumed: Path | None, *, sources: Collection[str]
) -> dict[str, Any]:
    """Settings from the run that is resumed, then from a file, then from flags; flags that are None are not given.

    sources: the settings that say where problems come from; a layer that gives one replaces all of them.
    """
    from storm_calm.agents.runs.run_folder import stored_settings

    settings: dict[str, Any] = {}
    given = {name: value for name, value in flags.items() if value is not None}
    for layer in (stored_settings(resumed) or {} if resumed else {}, _read(file) if file else {}, given):
        if any(layer.get(name) for name in sources):
            settings = {name: value for name, value in settings.items() if name not in sources}
        settings |= layer
    # A file may be the config.toml of another run.
    for name in ("problems_digest", "format_version"):
        settings.pop(name, None)
    return settings


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: not TOML: {error}") from error


def _shown(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
