"""The output folder of a run: claimed by one process at a time, and never mixed from two configurations."""

from __future__ import annotations

import fcntl
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from storm_calm.env.atomic_write import is_draft, write_text
from storm_calm.env.format_version import with_version, without_version

MAY_DIFFER_IF_SAME_PROBLEMS = {"problems", "data_dir"}
"""Settings that say where problems are: they may differ in a resumed run, as long as the problems are the same."""

MAX_SHOWN = 6
"""Changed settings that an error lists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunKind:
    """What sort of run a folder holds."""

    noun: str
    """As in "holds something else than a curation"."""
    verb: str
    """As in "another process curates into it"."""
    may_change: frozenset[str]
    """Settings that may change if the run is resumed; names with dots for nested ones, a section for all in it."""


def stored_settings(path: Path) -> dict[str, Any] | None:
    """What a folder's config.toml says; None where there is none. Raises ValueError where it cannot be read."""
    file = path / "config.toml"
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{file}: not TOML: {error}") from error
    try:
        return without_version(settings)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


@contextmanager
def lock_run_folder(path: Path, kind: RunKind, *, settings_file: str, may_hold: Collection[str] = ()) -> Iterator[None]:
    """Hold the folder for this process alone; it is made if it is missing.

    settings_file: what tells a run's folder. may_hold: what may be in the folder before that is written.
    Raises ValueError for a folder that another process works in, or that holds something else altogether.
    """
    # A run that was killed at once may leave its lock and a draft.
    names = {file.name for file in path.iterdir() if not is_draft(file)} if path.exists() else set()
    if names - {".lock", *may_hold} and settings_file not in names:
        raise ValueError(f"{path}: holds something else than {kind.noun}; choose another --out")
    path.mkdir(parents=True, exist_ok=True)
    with (path / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"{path}: another process {kind.verb} into it; wait for it, or choose another --out"
            raise ValueError(message) from None
        yield


@contextmanager
def claim_run_folder(
    path: Path, kind: RunKind, settings: Mapping[str, Any], *, done: Callable[[], int | None], resume: bool
) -> Iterator[None]:
    """Hold the folder for this process alone, with the settings written into it.

    settings: as TOML data, with "problems_digest".
    done: how many problems the run in the folder has done; None if there is nothing to resume.
    Raises ValueError for a folder that holds other settings (naming what changed), that holds a run and `resume` is not
    set, that another process works in, or that holds something else altogether.
    """
    with lock_run_folder(path, kind, settings_file="config.toml"):
        begun = done()
        before = stored_settings(path) if begun is not None else None
        if before is not None:
            check_settings(path, kind, before, settings)
        if before is not None and not resume:
            raise ValueError(
                f"{path}: holds a run already ({begun} of its problems done); --resume it, or choose another --out"
            )
        if before != settings:
            write_text(path / "config.toml", tomli_w.dumps(with_version(settings)))
        yield


def check_settings(path: Path, kind: RunKind, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise ValueError if a run that was made with settings `before` can't be resumed with `now`, naming what changed.

    Both may be nested, and may have the digest of their problems, "problems_digest".
    """
    digest = now.get("problems_digest")
    same_problems = digest is not None and before.get("problems_digest") == digest
    may_change = kind.may_change | (MAY_DIFFER_IF_SAME_PROBLEMS if same_problems else set())
    old, new = dict(_flat(before)), dict(_flat(now))
    changed = [
        f"{name}: {old.get(name, NOT_SET)} -> {new.get(name, NOT_SET)}"
        for name in dict.fromkeys((*new, *old))
        # A run from before a setting was there has none of it, and so has one that leaves it empty.
        if old.get(name, NOT_SET) != new.get(name, NOT_SET)
        and not any(name == one or name.startswith(f"{one}.") for one in may_change)
    ]
    if changed:
        more = ", ..." if len(changed) > MAX_SHOWN else ""
        raise ValueError(
            f"{path}: made with other settings ({', '.join(changed[:MAX_SHOWN])}{more}); "
            "choose another --out, or use the old settings"
        )


NOT_SET = "not set"


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each setting as "section.name" and its value as text."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            empty = value in (None, "", [])
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"{prefix}{name}", NOT_SET if empty else text
