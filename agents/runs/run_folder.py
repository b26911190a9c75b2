"""The output folder of a run: claimed by one process at a time, and never mixed from two configurations."""

from __future__ import annotations

import fcntl
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from storm_calm.agents.runs.lines import write_text

LEFTOVERS = {".lock", "config.toml.part"}
"""What a run that was killed at once may leave."""

MAY_DIFFER_IF_SAME_PROBLEMS = {"problems", "data_dir"}
"""Settings that say where problems are: they may differ when a run goes on, as long as the problems are the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunKind:
    """What sort of run a folder holds."""

    noun: str
    """As in "holds something else than a curation"."""
    verb: str
    """As in "another process curates into it"."""
    may_change: frozenset[str]
    """Settings that may differ when a run goes on."""


def stored_settings(path: Path) -> dict[str, Any] | None:
    """What a folder's config.toml says; None where there is none. Raises ValueError where it cannot be read."""
    file = path / "config.toml"
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{file}: not TOML: {error}") from error


@contextmanager
def claim_run_folder(
    path: Path, kind: RunKind, settings: Mapping[str, Any], *, done: Callable[[], int | None], resume: bool
) -> Iterator[None]:
    """Hold the folder for this process alone, with the settings written into it.

    settings: as TOML data, with "problems_digest".
    done: how many problems the run in the folder has done; None where there is nothing to go on with.
    Raises ValueError for a folder that holds other settings (naming what changed), that holds a run and `resume` is not
    set, that another process works in, or that holds something else altogether.
    """
    if not (path / "config.toml").exists() and path.exists() and {e.name for e in path.iterdir()} - LEFTOVERS:
        raise ValueError(f"{path}: holds something else than {kind.noun}; choose another --out")
    path.mkdir(parents=True, exist_ok=True)
    with (path / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"{path}: another process {kind.verb} into it; wait for it, or choose another --out"
            raise ValueError(message) from None
        begun = done()
        before = stored_settings(path) if begun is not None else None
        if before is not None and (changed := _changed(before, settings, kind.may_change)):
            raise ValueError(
                f"{path}: made with other settings ({', '.join(changed)}); "
                "choose another --out, or --resume with the old ones"
            )
        if before is not None and not resume:
            raise ValueError(
                f"{path}: holds a run already ({begun} of its problems done); --resume it, or choose another --out"
            )
        if before != settings:
            write_text(path / "config.toml", tomli_w.dumps(settings))
        yield


def _changed(before: Mapping[str, Any], now: Mapping[str, Any], may_change: frozenset[str]) -> list[str]:
    """The settings that differ, as "name: before -> now"."""
    moved = MAY_DIFFER_IF_SAME_PROBLEMS if before.get("problems_digest") == now["problems_digest"] else set()
    names = [name for name in dict.fromkeys((*now, *before)) if name not in may_change | moved]
    # As they are shown: a run from before a setting was there has none of it, and so has one that leaves it empty.
    differing = [name for name in names if _shown(before.get(name)) != _shown(now.get(name))]
    return [f"{name}: {_shown(before.get(name))} -> {_shown(now.get(name))}" for name in differing]


def _shown(value: Any) -> str:
    return "not set" if value in (None, "", []) else ",".join(value) if isinstance(value, list) else str(value)
