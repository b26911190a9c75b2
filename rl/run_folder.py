"""The folder of a training run: its settings, its metrics, and no mixing of two runs.

config.yaml          the settings, resolved
metrics.jsonl        one object a step, {"step": ..., "data": {...}}, over all sessions
metrics/             the same as veRL wrote it, a file a session
checkpoints/         veRL's, to go on from
model/, nano/        the trained model: a transformers checkpoint, and what the nano reasoner runs
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FREE = (
    "trainer.total_training_steps",
    "trainer.save_freq",
    "trainer.max_actor_ckpt_to_keep",
    "trainer.max_ckpt_to_keep",
    "trainer.logger",
    "storm.keep_rollouts",
    "storm.workers",
    "ray_kwargs",
)
"""Settings that may change when a run goes on."""


@contextmanager
def claimed(out: Path, config: Any) -> Iterator[None]:
    """The folder for this process alone, with the settings in it.

    Raises ValueError where another process trains into it, where it holds a run with other settings (naming what
    changed), or something else altogether.
    """
    import yaml

    known = {".lock", "config.yaml", "data"}
    if out.exists() and not (out / "config.yaml").exists() and {file.name for file in out.iterdir()} - known:
        raise ValueError(f"{out}: holds something else than a training run; choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{out}: another process trains into it; wait for it, or choose another folder") from None
        file = out / "config.yaml"
        begun = any((out / "checkpoints").glob("global_step_*"))
        if begun and file.exists():
            changed = list(_changes(yaml.safe_load(file.read_text(encoding="utf-8")), config))
            if changed:
                raise ValueError(
                    f"{out}: made with other settings ({', '.join(changed[:6])}); choose another folder, or go on with "
                    "the old ones"
                )
        draft = out / "config.yaml.part"
        draft.write_text(yaml.safe_dump(config, sort_keys=True), encoding="utf-8")
        draft.replace(file)
        yield


def _changes(before: Any, now: Any, prefix: str = "") -> Iterator[str]:
    names = dict.fromkeys((*now, *before))
    for name in names:
        key = f"{prefix}{name}"
        old, new = before.get(name), now.get(name)
        if key in FREE or old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _changes(old, new, f"{key}.")
        else:
            yield f"{key}: {old} -> {new}"


def new_metrics_file(out: Path) -> Path:
    """Where veRL's file logger is to write in this session; it would overwrite an earlier one's file."""
    folder = out / "metrics"
    folder.mkdir(exist_ok=True)
    number = 1 + max((int(file.stem) for file in folder.glob("*.jsonl")), default=0)
    return folder / f"{number:03d}.jsonl"


def gather_metrics(out: Path) -> list[dict[str, Any]]:
    """The steps of all sessions in order, also written to metrics.jsonl.

    A step that ran twice, as it does after a kill, counts as it ran last, and with it all that follow.
    """
    steps: dict[int, dict[str, Any]] = {}
    for file in sorted((out / "metrics").glob("*.jsonl")):
        lines = _whole_lines(file)
        if lines:
            first = lines[0]["step"]
            steps = {step: line for step, line in steps.items() if step < first}
        for line in lines:
            steps.setdefault(line["step"], {"step": line["step"], "data": {}})["data"].update(line["data"])
    ordered = [steps[step] for step in sorted(steps)]
    draft = out / "metrics.jsonl.part"
    draft.write_text("".join(json.dumps(step) + "\n" for step in ordered), encoding="utf-8")
    draft.replace(out / "metrics.jsonl")
    return ordered


def _whole_lines(file: Path) -> Sequence[dict[str, Any]]:
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:  # The last one, of a run that was killed.
            break
    return lines
