"""veRL's loggers of metrics (`trainer.logger`): checked early, and local unless the user chooses otherwise.

    check_loggers(config.trainer.logger)
    os.environ.update(logger_environment(config.trainer.logger, out))

The variables are defaults: one that the user has set is kept. Keys stay in the user's environment, or in the files of
these packages; nothing here reads them.
"""

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

LOGGERS: Mapping[str, str | None] = {
    "console": None,
    "file": None,
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "trackio": "trackio",
}
"""The loggers, and the package that each needs."""


def logger_names(setting: str | Sequence[str]) -> list[str]:
    """Return the names in `trainer.logger`, which is one name or several."""
    return [setting] if isinstance(setting, str) else list(setting)


def check_loggers(setting: str | Sequence[str]) -> None:
    """Raise ValueError for an unknown logger, a missing package, or a run without metrics.jsonl."""
    names = logger_names(setting)
    for name in names:
        if name not in LOGGERS:
            raise ValueError(f"trainer.logger: {name!r} is unknown; give some of {', '.join(LOGGERS)}")
        package = LOGGERS[name]
        if package is not None and find_spec(package) is None:
            raise ValueError(f"trainer.logger: {name} needs the package {package}; pip install {package}")
    if "file" not in names:
        raise ValueError(
            f"trainer.logger: add file, as in trainer.logger=[{','.join(['file', *names])}]; it writes the metrics "
            "that the console line, storm doctor and storm view read"
        )


def logger_environment(setting: str | Sequence[str], out: Path) -> dict[str, str]:
    """Return environment variables with which these loggers write into the run folder `out` and upload nothing."""
    defaults = {
        # W&B's own default asks for a key and uploads.
        "WANDB_MODE": "offline" if "wandb" in logger_names(setting) else "disabled",
        "WANDB_DIR": str(out),
        "WANDB_CONSOLE": "off",
        "WANDB_DISABLE_GIT": "true",
        "WANDB_DISABLE_CODE": "true",
        "MLFLOW_TRACKING_URI": f"sqlite:///{out.resolve() / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "TRACKIO_DIR": str(out / "trackio"),
    }
    kept = {name: os.environ.get(name, value) for name, value in defaults.items()}
    return {**kept, "TENSORBOARD_DIR": str(out / "tensorboard")}
