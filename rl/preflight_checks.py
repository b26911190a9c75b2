"""Check a training run's model, data, checkpoints and disk before any worker starts.

Each check raises ValueError with the cause, the place and the fix. Without it, the run would fail minutes later.
"""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from storm_calm.env import PROTOCOLS, RULES, Problem
from storm_calm.env.prompt_format import PromptFormat
from storm_calm.env.reward import scorable
from storm_calm.env.serialize import from_json
from storm_calm.env.workspace import full_question
from storm_calm.rl.datasets.training_rows import system_prompt
from storm_calm.rl.nano.nano_tokenizer import CONTEXT, VOCABULARY
from storm_calm.rl.prompt_renderer import CheckpointRenderer

SPARE_BYTES = 500_000_000
"""Free space that must remain besides the checkpoints."""
BYTES_PER_WEIGHT = 12
"""In a checkpoint: the weight and AdamW's two moments, 32 bits each."""


def check_model(folder: Path, prompt_format: PromptFormat | None = None) -> CheckpointRenderer:
    """Return the prompt renderer of a causal language model's folder."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    config = model_config(folder)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ValueError(f"{folder}: {config.model_type} is not a causal language model; give another model")
    return CheckpointRenderer(folder, prompt_format)


def model_config(folder: Path) -> Any:
    """Return the transformers configuration in a model's folder. Raises ValueError if it is missing or unknown."""
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder}: no config.json in it; give the folder of a transformers checkpoint")
    try:
        return AutoConfig.from_pretrained(folder)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{folder / 'config.json'}: {str(error).splitlines()[0]}") from error


def vocabulary_size(folder: Path) -> int:
    """Return the number of tokens that a model has embeddings for."""
    return int(model_config(folder).get_text_config().vocab_size)


def is_nano(folder: Path) -> bool:
    """Return whether a checkpoint has the size of a nano model, for which the settings of `*_nano_*` are made."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config.get("vocab_size") == VOCABULARY and config.get("max_position_embeddings") == CONTEXT


def check_sft_data(file: Path, *, vocabulary: int, longest: int) -> int:
    """Return the number of rows of an SFT dataset, as `rl.datasets.sft_row` makes them."""
    columns = read_columns(file, ("input_ids", "loss_mask"), "storm export RUN --format verl-sft")
    for number, (ids, mask) in enumerate(zip(columns["input_ids"], columns["loss_mask"], strict=True)):
        if not ids or len(ids) != len(mask):
            raise ValueError(
                f"{file}: row {number} has {len(ids)} input_ids but a loss_mask of {len(mask)}; export it again"
            )
        if not any(mask):
            raise ValueError(f"{file}: row {number} has no loss, its loss_mask is 0 everywhere; leave it out")
        if max(ids) >= vocabulary:
            raise ValueError(
                f"{file}: row {number} has token {max(ids)}, but the vocabulary has {vocabulary}; "
                "it was made with another model's tokenizer"
            )
        if len(ids) > longest:
            raise ValueError(
                f"{file}: row {number} has {len(ids)} tokens, more than data.max_length={longest}; raise it, "
                f"or export with --max-tokens {longest}, which leaves out longer trajectories"
            )
    return len(columns["input_ids"])


def check_rl_data(file: Path, renderer: CheckpointRenderer, *, prompt: int, response: int) -> int:
    """Return the number of rows of a GRPO dataset, as `rl.datasets.rl_rows` makes them.

    prompt, response: the token limits `data.max_prompt_length` and `data.max_response_length`.
    """
    source = "storm export SOURCE --format verl-rl"
    columns = read_columns(file, ("prompt", "reward_model", "extra_info", "data_source"), source)
    for number, row in enumerate(columns["extra_info"]):
        problem = _problem(file, number, row)
        given = system_prompt(columns["prompt"][number])
        if given != renderer.prompt_format.system_prompt:
            raise ValueError(
                f"{file}: row {number} ({problem.id}) has {_described(given)}, but the model is trained with "
                f"{_described(renderer.prompt_format.system_prompt)}; export the rows with --instructions or "
                "--no-instructions, or give the problems as storm.problems=FILE instead"
            )
        length = _prompt_length(problem, renderer)
        found = f"{file}: row {number} ({problem.id}) has a prompt of {length} tokens"
        if length > prompt:
            raise ValueError(f"{found}, more than data.max_prompt_length={prompt}; raise it, or leave the problem out")
        if length > response:
            raise ValueError(f"{found} and only data.max_response_length={response} for reasoning and output; raise it")
    return len(columns["extra_info"])


def longest_prompt(file: Path, renderer: CheckpointRenderer) -> int:
    """Return the tokens of the longest prompt in a GRPO dataset."""
    rows = read_columns(file, ("extra_info",), "storm export SOURCE --format verl-rl")["extra_info"]
    return max(_prompt_length(_problem(file, number, row), renderer) for number, row in enumerate(rows))


def _prompt_length(problem: Problem, renderer: CheckpointRenderer) -> int:
    messages = PROTOCOLS[renderer.prompt_format.protocol].messages(full_question(problem), renderer.instructions)
    return len(renderer.encode_marked(renderer.render(messages))[0])


def _described(instructions: str) -> str:
    start = instructions if len(instructions) <= 60 else f"{instructions[:60]}..."
    return f"the system prompt {start!r}" if instructions else "no system prompt"


def _problem(file: Path, number: int, row: Any) -> Problem:
    try:
        problem = from_json(Problem, json.loads(row["problem"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file}: row {number}: extra_info has no problem ({error}); export it again") from error
    except ValueError as error:
        # For example an answer of NaN, which would give a reward of NaN.
        raise ValueError(f"{file}: row {number}: {error}") from error
    if not scorable(problem):
        raise ValueError(f"{file}: row {number} ({problem.id}) has no answer, so no reward; leave it out")
    return problem


def read_columns(file: Path, names: Sequence[str], source: str) -> Mapping[str, list[Any]]:
    """Read columns of a Parquet file. source: the command that makes such files, for error messages."""
    import pyarrow
    import pyarrow.parquet

    if not file.is_file():
        raise ValueError(f"{file}: no such file; make it with `{source}`")
    try:
        table = pyarrow.parquet.read_table(file)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{file}: not a Parquet file: {error}") from error
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ValueError(
            f"{file}: the column {missing[0]!r} is missing (it has {', '.join(table.column_names)}); "
            f"make the file with `{source}`"
        )
    if not table.num_rows:
        raise ValueError(f"{file}: no rows in it; make it with `{source}`")
    return {name: table.column(name).to_pylist() for name in names}


def check_rule(name: str | None) -> None:
    """Raise ValueError if this is not the name of a scoring rule. None means each problem's own rule."""
    if name is not None and name not in RULES:
        raise ValueError(f"storm.rule is {name!r}; give one of {', '.join(RULES)}, or null for each problem's own")


def check_checkpoints(folder: Path) -> int:
    """Return the step of the last checkpoint in `folder`, or 0. Raises ValueError if it is damaged."""
    tracker = folder / "latest_checkpointed_iteration.txt"
    if not tracker.is_file():
        return 0
    step = tracker.read_text(encoding="utf-8").strip()
    if not step.isdigit():
        raise ValueError(f"{tracker}: {step!r} is not a step; write the number of a global_step_ folder into it")
    checkpoint = folder / f"global_step_{step}"
    files = sorted(checkpoint.rglob("*.pt"))
    if not files:
        raise ValueError(
            f"{checkpoint}: the last checkpoint is missing; restore it, or write the number of another global_step_ "
            f"folder into {tracker.name}"
        )
    import torch

    for file in files:
        try:
            torch.load(file, map_location="cpu", weights_only=False, mmap=True)
        except Exception as error:  # The type depends on the kind of damage.
            raise ValueError(
                f"{file}: cannot be read ({str(error).splitlines()[0]}). Nothing was changed. To resume from an "
                f"earlier checkpoint, write its step into {tracker}"
            ) from error
    return int(step)


def check_disk(folder: Path, weights: int, checkpoints: int) -> None:
    """Raise ValueError unless the disk has room for this many checkpoints, and one more while it is written.

    weights: the number of weights of the model.
    """
    existing = next(parent for parent in (folder, *folder.resolve().parents) if parent.exists())
    free, needed = shutil.disk_usage(existing).free, weights * BYTES_PER_WEIGHT * (checkpoints + 1) + SPARE_BYTES
    if free < needed:
        raise ValueError(
            f"{folder}: {free / 1e9:.1f} GB free on its disk, but checkpoints take up to {needed / 1e9:.1f} GB; "
            "free some space, or choose another --out"
        )


def lack_of_room(folder: Path, weights: int) -> str:
    """Return a note for the error of a failed run if the disk has no room for one more checkpoint, else ""."""
    free, needed = shutil.disk_usage(folder).free, weights * BYTES_PER_WEIGHT
    if free >= needed:
        return ""
    return (
        f" (the disk of {folder} is full: {free / 1e6:.0f} MB free, but a checkpoint takes {needed / 1e6:.0f}; "
        "free some space)"
    )


def count_weights(folder: Path) -> int:
    """Return the number of weights of a checkpoint, from its safetensors headers; 0 without such files."""
    total = 0
    for file in folder.glob("*.safetensors"):
        with file.open("rb") as opened:
            header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
        total += sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    return total
