"""What is looked at before a training run starts any worker: minutes later the same mistakes would end in a traceback.

All of these raise ValueError that names the thing, the place and the fix.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from storm_calm.env import RULES, Problem
from storm_calm.env.protocol import Inline
from storm_calm.env.serialize import from_json
from storm_calm.rl.prompt_renderer import CheckpointRenderer

SPARE_BYTES = 500_000_000
"""Room that a run leaves on its disk besides its checkpoints."""
BYTES_OF_A_WEIGHT = 12
"""In a checkpoint: the weight and AdamW's two averages, 32 bits each."""


def check_model(folder: Path, instructions: str | None) -> CheckpointRenderer:
    """The renderer of a checkpoint that can be trained."""
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder}: no config.json there; give the folder of a transformers checkpoint")
    return CheckpointRenderer(folder, instructions=instructions)


def check_sft_data(file: Path, *, vocabulary: int, longest: int) -> int:
    """Rows of a data set for supervised training; `rl.datasets.sft_row` says what is in one."""
    columns = read_columns(file, ("input_ids", "loss_mask"), "storm export RUN --format verl-sft")
    for number, (ids, mask) in enumerate(zip(columns["input_ids"], columns["loss_mask"], strict=True)):
        if not ids or len(ids) != len(mask):
            raise ValueError(f"{file}: row {number} has {len(ids)} input_ids and {len(mask)} of loss_mask; export anew")
        if not any(mask):
            raise ValueError(f"{file}: row {number} learns nothing, its loss_mask is 0 throughout; leave it out")
        if max(ids) >= vocabulary:
            raise ValueError(
                f"{file}: row {number} has token {max(ids)}, and the model knows {vocabulary}; "
                "it was made with another model's tokenizer"
            )
        if len(ids) > longest:
            raise ValueError(
                f"{file}: row {number} has {len(ids)} tokens, more than data.max_length={longest}; raise it, "
                f"or export with --max-tokens {longest}, which leaves long runs out"
            )
    return len(columns["input_ids"])


def check_rl_data(file: Path, renderer: CheckpointRenderer, *, prompt: int, response: int) -> int:
    """Rows of a data set for GRPO; `rl.datasets.rl_rows` says what is in one.

    prompt, response: the most tokens of each (`data.max_prompt_length`, `data.max_response_length`).
    """
    source = "storm export SOURCE --format verl-rl"
    columns = read_columns(file, ("prompt", "reward_model", "extra_info", "data_source"), source)
    for number, row in enumerate(columns["extra_info"]):
        problem = _problem(file, number, row)
        words = Inline().messages(problem.question, renderer.instructions)
        length = len(renderer.encode_marked(renderer.render(words))[0])
        if length > prompt:
            raise ValueError(
                f"{file}: row {number} ({problem.id}) has a prompt of {length} tokens, more than "
                f"data.max_prompt_length={prompt}; raise it, or leave the problem out"
            )
        if length > response:
            raise ValueError(
                f"{file}: row {number} ({problem.id}) has a prompt of {length} tokens and only "
                f"data.max_response_length={response} for reasoning, programs and their output; raise it"
            )
    return len(columns["extra_info"])


def _problem(file: Path, number: int, row: Any) -> Problem:
    try:
        problem = from_json(Problem, json.loads(row["problem"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file}: row {number}: extra_info has no problem ({error}); export anew") from error
    except ValueError as error:
        # An answer of NaN, for one, would make a reward of NaN.
        raise ValueError(f"{file}: row {number}: {error}") from error
    if not problem.answers:
        raise ValueError(f"{file}: row {number} ({problem.id}) has no answer, so no reward; leave it out")
    return problem


def read_columns(file: Path, names: Sequence[str], source: str) -> Mapping[str, list[Any]]:
    """Columns of a Parquet file. source: the command that makes such files, for messages."""
    import pyarrow
    import pyarrow.parquet

    if not file.is_file():
        raise ValueError(f"{file}: there is no such file; make it with `{source}`")
    try:
        table = pyarrow.parquet.read_table(file)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{file}: not a Parquet file: {error}") from error
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ValueError(
            f"{file}: the column {missing[0]!r} is missing (there are {', '.join(table.column_names)}); "
            f"make the file with `{source}`"
        )
    if not table.num_rows:
        raise ValueError(f"{file}: no rows in it; make it with `{source}`")
    return {name: table.column(name).to_pylist() for name in names}


def check_rule(name: str | None) -> None:
    """The name of a scoring rule, or None for each problem's own."""
    if name is not None and name not in RULES:
        raise ValueError(f"storm.rule is {name!r}; give one of {', '.join(RULES)}, or null for each problem's own")


def check_checkpoints(folder: Path) -> int:
    """The step that the last checkpoint in `folder` is of; 0 without one. An unreadable one is an error."""
    tracker = folder / "latest_checkpointed_iteration.txt"
    if not tracker.is_file():
        return 0
    words = tracker.read_text(encoding="utf-8").strip()
    if not words.isdigit():
        raise ValueError(
            f"{tracker}: says {words!r}, which is no step; write the number of a global_step_ folder into it"
        )
    place = folder / f"global_step_{words}"
    files = sorted(place.rglob("*.pt"))
    if not files:
        raise ValueError(
            f"{place}: the last checkpoint is not there; put it back, or write the number of another global_step_ "
            f"folder into {tracker.name}"
        )
    import torch

    for file in files:
        try:
            torch.load(file, map_location="cpu", weights_only=False, mmap=True)
        except Exception as error:  # Each kind of damage raises another kind.
            raise ValueError(
                f"{file}: cannot be read ({str(error).splitlines()[0]}). Nothing was changed. To go on from an earlier "
                f"checkpoint, write its step into {tracker}"
            ) from error
    return int(words)


def check_disk(folder: Path, weights: int, checkpoints: int) -> None:
    """Room for so many checkpoints of a model with so many weights, and one more while it is written."""
    existing = next(parent for parent in (folder, *folder.resolve().parents) if parent.exists())
    free, wanted = shutil.disk_usage(existing).free, weights * BYTES_OF_A_WEIGHT * (checkpoints + 1) + SPARE_BYTES
    if free < wanted:
        raise ValueError(
            f"{folder}: {free / 1e9:.1f} GB free on its disk, and checkpoints take up to {wanted / 1e9:.1f} GB; "
            "make room, or choose another place"
        )


def lack_of_room(folder: Path, weights: int) -> str:
    """Where the disk has no room for one more checkpoint, that this is so: what ended a run says it in other words."""
    free, wanted = shutil.disk_usage(folder).free, weights * BYTES_OF_A_WEIGHT
    if free >= wanted:
        return ""
    return (
        f" (the disk of {folder} is full: {free / 1e6:.0f} MB free, and a checkpoint takes {wanted / 1e6:.0f}; "
        "make room)"
    )


def count_weights(folder: Path) -> int:
    """How many weights a checkpoint has, from the headers of its safetensors files; 0 where it has none."""
    total = 0
    for file in folder.glob("*.safetensors"):
        with file.open("rb") as opened:
            header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
        total += sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    return total
