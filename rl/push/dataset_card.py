"""The README.md of a data set: what it has, how it was made, and how to load it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from storm_calm.rl.push.upload_files import ALLOWED, UploadFile

MARK = "storm_calm_run"
"""The field of the card's header that identifies the run."""

SETTINGS = (
    "reasoner", "intervener", "families", "split", "benchmark", "stress", "limit", "seed", "seeds", "samples", "rule",
    "max_executions", "max_tokens", "max_interventions", "max_hint_share", "temperature", "solver_seconds", "memory_mb",
    "min_isolation", "minimum_isolation",
)  # fmt: skip
"""The settings that the card shows. Others may name paths or servers."""

FIGURES = (
    "problems", "golden", "native_correct", "final_correct", "corrected", "interventions", "executions", "tokens",
    "scored", "samples", "seeds",
)  # fmt: skip
"""The figures of `summary.json` or `results.json` that the card shows."""


def dataset_card(
    name: str, run_id: str, files: Sequence[UploadFile], settings: Mapping[str, Any], figures: Mapping[str, Any]
) -> str:
    """Return the text of the card. run_id: identifies the run, so that a later push knows its own data set."""
    configs = [config for config in ALLOWED if any(file.config == config for file in files)]
    header = ["---", "pretty_name: " + json.dumps(name), "tags:", "- optimization", "- storm-calm", "configs:"]
    for config in configs:
        header += [f"- config_name: {config}", "  data_files:"]
        header += [f"  - {json.dumps(file.name)}" for file in files if file.config == config]
    header += [f"{MARK}: {run_id}", "---"]
    evaluation = "samples" in configs
    what = (
        "Trajectories of an evaluation on optimization problems"
        if evaluation
        else "Trajectories of a curation of optimization problems, with the hints of an intervener"
    )
    lines = [*header, "", f"# {name}", "", f"{what}, made with storm-calm.", ""]
    shown = [(key, figures[key]) for key in FIGURES if isinstance(figures.get(key), int | float)]
    lines += _table("Figure", shown)
    lines += _table("Setting", [(key, _setting(key, settings[key])) for key in SETTINGS if settings.get(key)])
    first = configs[0]
    lines += ["```python", "from datasets import load_dataset", ""]
    lines += [f'rows = load_dataset("OWNER/{name}", "{first}", split="train")', "```", ""]
    lines += [
        "Model text, programs and their output are unchanged. Programs ran in a sandbox. Check the licence of the "
        "model and of the problems before you train on the text.",
        "",
    ]
    return "\n".join(lines)


def _setting(name: str, value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    # A URL or a path would name an internal server or a user.
    return "a model server or folder" if name in ("reasoner", "intervener") and "/" in text else text


def _table(heading: str, rows: Sequence[tuple[str, Any]]) -> list[str]:
    if not rows:
        return []
    body = [
        f"| {name.replace('_', ' ')} | {f'{value:,}' if isinstance(value, int) else value} |" for name, value in rows
    ]
    return [f"| {heading} | |", "|---|---|", *body, ""]


def read_figures(run: Path) -> Mapping[str, Any]:
    """Return the content of `summary.json` or `results.json`; empty for an unfinished run."""
    for name in ("summary.json", "results.json"):
        if (run / name).is_file():
            found = json.loads((run / name).read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else {}
    return {}
