"""Choose the prompt format of a training run: the model's own, or else that of its data.

A model that was trained, exported or made by this project records its format (`env.prompt_format`). Training never
changes it. A model without one, such as a public checkpoint, gets the format of the data it is trained on. The run
folder and the trained model then record it.
"""

import logging
from dataclasses import replace
from pathlib import Path

from storm_calm.agents.reasoners.chat_template import check_same_prompts
from storm_calm.agents.reasoners.model_folder import folder_prompt_format
from storm_calm.env.prompt_format import CHATML, FILE_NAME, PromptFormat, read_prompt_format
from storm_calm.rl.datasets.dataset_files import read_dataset_format
from storm_calm.rl.datasets.training_rows import system_prompt
from storm_calm.rl.preflight_checks import read_columns

log = logging.getLogger("storm")


def sft_prompt_format(model: Path, data: Path) -> PromptFormat | None:
    """Return the format of a model that is trained on a file of `storm export`; None if neither records one.

    Raises ValueError if both record one and they differ.
    """
    own, exported = read_prompt_format(model), read_dataset_format(data)
    if own is not None and exported is not None:
        check_same_prompts(own, str(model / FILE_NAME), exported, str(data))
    chosen = own or exported
    if chosen is None:
        log.warning(
            "%s does not record the prompts it was made with, so the trained model gets no %s; export it again, or "
            "write that file into %s",
            data,
            FILE_NAME,
            model,
        )
    return chosen


def grpo_prompt_format(model: Path, data: Path, *, instructions: str | None) -> PromptFormat:
    """Return the format of a model whose rollouts start from the problems in `data`, a file that may not exist yet.

    instructions: the setting storm.instructions, None for what the model or else the data have.
    Raises ValueError if model, data and setting differ.
    """
    own = read_prompt_format(model)
    exported = read_dataset_format(data) if data.is_file() else None
    if own is not None and exported is not None:
        check_same_prompts(own, str(model / FILE_NAME), exported, str(data))
    chosen = own or exported
    if chosen is None:
        chosen = folder_prompt_format(model) or CHATML
        rows = row_instructions(data) if data.is_file() else None
        return replace(chosen, instructions=rows if instructions is None else instructions)
    if instructions is not None:
        place = str(model / FILE_NAME) if own is not None else str(data)
        check_same_prompts(chosen, place, replace(chosen, instructions=instructions), "storm.instructions")
    return chosen


def row_instructions(data: Path) -> str:
    """Return the system prompt of the first row of a GRPO dataset, "" for none."""
    prompts = read_columns(data, ("prompt",), "storm export SOURCE --format verl-rl")["prompt"]
    return system_prompt(prompts[0])
