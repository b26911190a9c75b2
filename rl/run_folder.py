"""The run folder of a training run.

config.yaml          the resolved settings
metrics.jsonl        one object per step, {"step": ..., "data": {...}}, over all sessions
metrics/             veRL's own metrics, one file per session
checkpoints/         veRL's checkpoints
model/, nano/        the trained model: a transformers checkpoint, and its export for the nano reasoner
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storm_calm.agents.runs.run_folder import RunKind, check_settings, lock_run_folder
from storm_calm.agents.runs.training_steps import FOLDER, MERGED, merged_steps, session_files
from storm_calm.env.atomic_write import write_text
from storm_calm.env.jsonl import write_lines

TRAINING = RunKind(
    noun="a training run",
    verb="trains",
    may_change=frozenset(
        {
            "trainer.total_training_steps",
            "trainer.save_freq",
            "trainer.max_actor_ckpt_to_keep",
            "trainer.max_ckpt_to_keep",
            "trainer.logger",
            "storm.keep_rollouts",
            "storm.workers",
            "storm.rollout_seconds",
            "trainer.v1.sampler.sampler_kwargs.rollout_seconds",
            "ray_kwargs",
        }
    ),
)


@contextmanager
def claim_training_folder(out: Path, config: Mapping[str, Any]) -> Iterator[None]:
    """Lock the folder for this process, and write the settings into it.

    Raises ValueError if another process trains into it, if it holds a run with different settings (naming them), or
    if it is not a training run's folder.
    """
    import yaml

    file = out / "config.yaml"
    with lock_run_folder(out, TRAINING, settings_file=file.name, may_hold=("data",)):
        if file.exists() and any((out / "checkpoints").glob("global_step_*")):
            check_settings(out, TRAINING, yaml.safe_load(file.read_text(encoding="utf-8")), config)
        write_text(file, yaml.safe_dump(config, sort_keys=True))
        yield


def new_metrics_file(out: Path) -> Path:
    """Return a new file for veRL's file logger, which would overwrite that of an earlier session."""
    folder = out / FOLDER
    folder.mkdir(exist_ok=True)
    number = 1 + max((int(file.stem) for file in session_files(out)), default=0)
    return folder / f"{number:03d}.jsonl"


def gather_metrics(out: Path) -> list[dict[str, Any]]:
    """Merge the steps of all sessions, write them to metrics.jsonl, and return them in order."""
    ordered = merged_steps(out)
    write_lines(out / MERGED, ordered)
    return ordered
