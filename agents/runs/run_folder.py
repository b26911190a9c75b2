"""The run folder: locked by one process at a time, and bound to the settings of one run."""

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
"""Settings with paths of problems. They may change on resume if the problems are the same."""

WORKSPACES = "workspaces"
"""The folder of the files of generated problems, which are written before the settings."""
MAX_SHOWN = 6
"""The most changed settings that an error lists."""
NOT_SET = "not set"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunKind:
    """The kind of run in a folder."""

    noun: str
    """As in "holds something else than a curation"."""
    verb: str
    """As in "another process curates into it"."""
    may_change: frozenset[str]
    """Settings that may change on resume. Nested ones have dots; the name of a section includes all its settings."""


def stored_settings(path: Path) -> dict[str, Any] | None:
    """Return the settings in a folder's config.toml, or None if it is missing. Raises ValueError if it is invalid."""
    file = path / "config.toml"
    try:
        return without_version(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: not TOML: {error}") from error
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


@contextmanager
def lock_run_folder(path: Path, kind: RunKind, *, settings_file: str, may_hold: Collection[str] = ()) -> Iterator[None]:
    """Lock the folder for this process, and create it if it is missing.

    settings_file: the file that identifies a run folder. may_hold: files that may exist before it.
    Raises ValueError if another process has locked the folder, or if it contains other files.
    """
    _check_contents(path, kind, settings_file, may_hold)
    path.mkdir(parents=True, exist_ok=True)
    with (path / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"{path}: another process {kind.verb} into it; wait for it, or choose another --out"
            raise ValueError(message) from None
        yield


@contextmanager
def keep_unchanged(path: Path, kind: RunKind) -> Iterator[None]:
    """Keep other processes from writing into a run folder. Raises ValueError if one is doing so."""
    file = path / ".lock"
    if not file.exists():  # A copy of a run may lack it.
        yield
        return
    with file.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{path}: another process {kind.verb} into it; wait for it") from None
        yield


def _check_contents(path: Path, kind: RunKind, settings_file: str, may_hold: Collection[str]) -> None:
    # A run that crashed early may have left its lock and a draft of the settings.
    names = {file.name for file in path.iterdir() if not is_draft(file)} if path.exists() else set()
    if names - {".lock", *may_hold} and settings_file not in names:
        raise ValueError(f"{path}: holds something else than {kind.noun}; choose another --out")


def check_run_folder(path: Path, kind: RunKind, settings: Mapping[str, Any]) -> None:
    """Raise ValueError if the folder is not for this run, before problems are generated into it.

    settings: TOML data, yet without "problems_digest". `claim_run_folder` checks everything again, under the lock.
    """
    _check_contents(path, kind, "config.toml", (WORKSPACES,))
    before = stored_settings(path)
    if before is not None:
        before.pop("problems_digest", None)
        check_settings(path, kind, before, settings)


@contextmanager
def claim_run_folder(
    path: Path, kind: RunKind, settings: Mapping[str, Any], *, done: Callable[[], int | None], resume: bool
) -> Iterator[None]:
    """Lock the folder for this process, and write the settings into it.

    settings: TOML data with "problems_digest". done: returns the number of finished problems, or None for a new run.
    Raises ValueError if the folder has other settings (named in the message), has a run but `resume` is False, is
    locked by another process, or contains other files.
    """
    with lock_run_folder(path, kind, settings_file="config.toml", may_hold=(WORKSPACES,)):
        finished = done()
        before = stored_settings(path) if finished is not None else None
        if before is not None:
            check_settings(path, kind, before, settings)
        if before is not None and not resume:
            raise ValueError(
                f"{path}: holds a run already ({finished} of its problems done); --resume it, or choose another --out"
            )
        if before != settings:
            write_text(path / "config.toml", tomli_w.dumps(with_version(settings)))
        yield


def check_settings(path: Path, kind: RunKind, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise ValueError with the changed settings if a run with settings `before` cannot be resumed with `now`."""
    changed = changed_settings(before, now, may_change=kind.may_change)
    if changed:
        more = ", ..." if len(changed) > MAX_SHOWN else ""
        raise ValueError(
            f"{path}: made with other settings ({', '.join(changed[:MAX_SHOWN])}{more}); "
            "choose another --out, or use the old settings"
        )


def changed_settings(before: Mapping[str, Any], now: Mapping[str, Any], *, may_change: Collection[str]) -> list[str]:
    """Return each changed setting as "name: old -> new". Paths of problems may change if the problems are the same."""
    digest = now.get("problems_digest")
    same_problems = digest is not None and before.get("problems_digest") == digest
    allowed = {*may_change, *(MAY_DIFFER_IF_SAME_PROBLEMS if same_problems else ())}
    old, new = dict(_flat(before)), dict(_flat(now))
    return [
        f"{name}: {old.get(name, NOT_SET)} -> {new.get(name, NOT_SET)}"
        for name in dict.fromkeys((*new, *old))
        # A setting that did not exist when the run started counts as empty.
        if old.get(name, NOT_SET) != new.get(name, NOT_SET)
        and not any(name == one or name.startswith(f"{one}.") for one in allowed)
    ]


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each setting as "section.name" and its value as text."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            empty = value in (None, "", [])
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"{prefix}{name}", NOT_SET if empty else text
