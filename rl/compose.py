"""Compose the configuration of a training run: veRL's defaults, our files in `rl/config/`, and overrides.

    config = compose("grpo_nano_cpu", ["trainer.total_training_steps=3"])

A user's own .yaml file may build on ours through its `defaults` list.
"""

import difflib
import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import storm_calm

FOLDER = Path(__file__).parent / "config"
INSTALL = "pip install 'storm-calm[train]'"


def compose(name: str, overrides: Sequence[str]) -> Any:
    """Return the configuration `name`, or a .yaml file, with `key=value` overrides as an omegaconf `DictConfig`.

    Raises ValueError for an unknown configuration, and for an unknown key, naming the closest ones.
    """
    try:
        from hydra import compose as hydra_compose
        from hydra import initialize_config_dir
        from hydra.errors import HydraException
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException
    except ImportError as error:
        raise ValueError(f"training needs the package {error.name}: {INSTALL}") from error
    folder, stem = _find(name)
    search = f"hydra.searchpath=[file://{_verl() / 'trainer' / 'config'},file://{FOLDER}]"
    with initialize_config_dir(str(folder), version_base=None):
        try:
            defaults = hydra_compose(stem, overrides=[search])
        except (HydraException, OmegaConfBaseException) as error:
            raise ValueError(f"{folder / stem}.yaml: {_first_line(error)}") from error
        _check_keys(overrides, OmegaConf.to_container(defaults, resolve=False))
        try:
            return hydra_compose(stem, overrides=[search, *overrides])
        except (HydraException, OmegaConfBaseException) as error:
            raise ValueError(f"{' '.join(overrides)}: {_first_line(error)}") from error


def names() -> list[str]:
    """Return the names of the built-in configurations."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml") if "defaults:" in file.read_text(encoding="utf-8"))


def _verl() -> Path:
    """Return veRL's folder without importing it, since its import reads the environment variables set later."""
    found = importlib.util.find_spec("verl")
    if found is None or not found.submodule_search_locations:
        raise ValueError(f"training needs the package verl: {INSTALL}")
    return Path(found.submodule_search_locations[0])


def _find(name: str) -> tuple[Path, str]:
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise ValueError(f"{path}: no such file")
        return path.resolve().parent, path.stem
    if name not in names():
        raise ValueError(f"configuration {name!r} is unknown; give a .yaml file or one of {', '.join(names())}")
    return FOLDER, name


def _check_keys(overrides: Sequence[str], config: Any) -> None:
    """Raise ValueError for unknown keys. Hydra's own message does not suggest similar ones."""
    known = list(_keys(config))
    for override in overrides:
        key, equals, _ = override.partition("=")
        if not equals and not override.startswith("~"):
            raise ValueError(f"{override!r} is not key=value, such as trainer.total_training_steps=10")
        if key.startswith(("+", "~", "hydra")) or key in known:
            continue
        similar = difflib.get_close_matches(key, known, n=3, cutoff=0.6)
        last = key.rpartition(".")[2]
        similar += [other for other in known if other.rpartition(".")[2] == last and other not in similar]
        hint = f"; did you mean {', '.join(similar[:4])}?" if similar else ""
        raise ValueError(
            f"unknown setting {key!r}{hint} (+{override} adds a setting that veRL reads but does not list)"
        )


def _keys(config: Any, prefix: str = "") -> Iterator[str]:
    for name, value in config.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def environment(device: str) -> dict[str, str]:
    """Return the environment variables that every process of a training run needs."""
    root = str(Path(storm_calm.__file__).parents[1])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    values = {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "VERL_USE_EXTERNAL_MODULES": "storm_calm.rl.verl_cpu.cpu_platform",
        "TOKENIZERS_PARALLELISM": "false",
        # No telemetry.
        "RAY_USAGE_STATS_ENABLED": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        # Ray's default lowers the priority of its workers below all other processes, even the sandbox's programs.
        "RAY_worker_niceness": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    if device == "cpu":
        values |= {
            "VERL_PLATFORM": "cpu",
            # The trainer's processes and the rollout server take turns, so each may use all cores.
            "OMP_NUM_THREADS": str(os.cpu_count() or 1),
            # Threads that wait for each other sleep. Spinning takes many times as long beside other processes.
            "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
            "GLOO_SOCKET_IFNAME": "lo",
        }
    return values
