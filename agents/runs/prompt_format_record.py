"""Record the prompt format of a run in its folder, so that exports and training know how its prompts were made."""

from pathlib import Path

from storm_calm.agents.reasoners.chat_template import check_same_prompts
from storm_calm.env import Reasoner
from storm_calm.env.prompt_format import FILE_NAME, PromptFormat, read_prompt_format, write_prompt_format


def record_prompt_format(folder: Path, reasoner: Reasoner) -> None:
    """Write the prompt format of a reasoner into a run folder; chat endpoints have none.

    Raises ValueError if the folder has another one, since the run would then mix prompts.
    """
    prompt_format: PromptFormat | None = getattr(reasoner, "prompt_format", None)
    if prompt_format is None:
        return
    before = read_prompt_format(folder)
    if before is None:
        write_prompt_format(folder, prompt_format)
    else:
        check_same_prompts(before, str(folder / FILE_NAME), prompt_format, f"the reasoner {reasoner.name}")
