"""The configuration of a training run: veRL's own, ours on top, and what the command line changes.

    config = compose("grpo_nano_cpu", ["trainer.total_training_steps=3"])

Files are in `rl/config/`; a file of one's own may build on them in the same way.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import storm_calm

FOLDER = Path(__file__).parent / "config"
"""Where our configurations are."""

EXTRA = "pip install 'storm-calm[train]'"
"""What brings veRL and what it needs."""


def compose(name: str, overrides: Sequence[str]) -> Any:
    """The configuration `name`, or the file of that path, with `key=value` overrides; an omegaconf `DictConfig`.

    Raises ValueError for a name that is none, and for an override of a key that does not exist, with the nearest ones.
    """
    try:
        from hydra import compose as hydra_compose
        from hydra import initialize_config_dir
        from hydra.errors import HydraException
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException
    except ImportError as error:
        raise ValueError(f"{error.name} is missing, which training needs: {EXTRA}") from error
    folder, stem = _place(name)
    search = f"hydra.searchpath=[file://{_verl() / 'trainer' / 'config'},file://{FOLDER}]"
    with initialize_config_dir(str(folder), version_base=None):
        try:
            plain = hydra_compose(stem, overrides=[search])
        except (HydraException, OmegaConfBaseException) as error:
            raise ValueError(f"{folder / stem}.yaml: {_first_line(error)}") from error
        _check_keys(overrides, OmegaConf.to_container(plain, resolve=False))
        try:
            return hydra_compose(stem, overrides=[search, *overrides])
        except (HydraException, OmegaConfBaseException) as error:
            raise ValueError(f"{' '.join(overrides)}: {_first_line(error)}") from error


def names() -> list[str]:
    """The configurations that come with the project."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml") if "defaults:" in file.read_text(encoding="utf-8"))


def _verl() -> Path:
    """veRL's folder, without importing it: that has to wait until the environment is set."""
    found = importlib.util.find_spec("verl")
    if found is None or not found.submodule_search_locations:
        raise ValueError(f"verl is missing, which training needs: {EXTRA}")
    return Path(found.submodule_search_locations[0])


def _place(name: str) -> tuple[Path, str]:
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise ValueError(f"{path}: there is no such file")
        return path.resolve().parent, path.stem
    if name not in names():
        raise ValueError(f"configuration {name!r} is none of {', '.join(names())}, and no path of a .yaml file")
    return FOLDER, name


def _check_keys(overrides: Sequence[str], config: Any) -> None:
    """Hydra would say no more than that a key is not in a struct."""
    known = list(_keys(config))
    for override in overrides:
        key, equals, _ = override.partition("=")
        if not equals and not override.startswith("~"):
            raise ValueError(f"{override!r} is no override; give key=value, such as trainer.total_training_steps=10")
        if key.startswith(("+", "~", "hydra")) or key in known:
            continue
        near = difflib.get_close_matches(key, known, n=3, cutoff=0.6)
        last = key.rpartition(".")[2]
        near += [other for other in known if other.rpartition(".")[2] == last and other not in near]
        hint = f"; did you mean {', '.join(near[:4])}?" if near else ""
        raise ValueError(f"there is no setting {key!r}{hint} (+{override} adds one that veRL reads and does not list)")


def _keys(config: Any, prefix: str = "") -> Iterator[str]:
    for name, value in config.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def environment(device: str) -> dict[str, str]:
    """Environment variables that every process of a training run needs."""
    root = str(Path(storm_calm.__file__).parents[1])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    values = {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "VERL_USE_EXTERNAL_MODULES": "storm_calm.rl.verl_cpu.cpu_platform",
        "TOKENIZERS_PARALLELISM": "false",
        # Nothing is reported to anyone, and no hub is asked for a model that is a folder here.
        "RAY_USAGE_STATS_ENABLED": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "WANDB_MODE": os.environ.get("WANDB_MODE", "disabled"),
        # Ray would give way to everything else on the machine, its own sandbox's programs included.
        "RAY_worker_niceness": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    if device == "cpu":
        values |= {
            "VERL_PLATFORM": "cpu",
            # The trainer's processes and the rollout server take turns.
            "OMP_NUM_THREADS": str(os.cpu_count() or 1),
            "GLOO_SOCKET_IFNAME": "lo",
        }
    return values
