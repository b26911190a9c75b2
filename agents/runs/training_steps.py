"""The metrics of a training run's steps, from the files that each session of the trainer writes.

metrics/001.jsonl    veRL's own lines, {"step": ..., "data": {...}}, of the first session
metrics.jsonl        the same over all sessions, written when a session ends
"""

from pathlib import Path
from typing import Any

from storm_calm.env.jsonl import read_jsonl

FOLDER, MERGED = "metrics", "metrics.jsonl"


def session_files(out: Path) -> list[Path]:
    """Return the metrics files of all sessions, the earliest first."""
    return sorted((out / FOLDER).glob("*.jsonl"))


def merged_steps(out: Path) -> list[dict[str, Any]]:
    """Return the steps of all sessions in order, also during training.

    A session that resumed from an earlier step replaces the metrics of that step and of all later ones.
    """
    steps: dict[int, dict[str, Any]] = {}
    for file in session_files(out):
        lines = [line for _, line in read_jsonl(file, dict, growing=True)]
        if lines:
            first = lines[0]["step"]
            steps = {step: line for step, line in steps.items() if step < first}
        for line in lines:
            steps.setdefault(line["step"], {"step": line["step"], "data": {}})["data"].update(line["data"])
    return [steps[step] for step in sorted(steps)]
