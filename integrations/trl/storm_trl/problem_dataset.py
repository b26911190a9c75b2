"""Problems as a dataset of TRL."""

import json
from collections.abc import Iterable

from datasets import Dataset

from storm_calm.env import Problem
from storm_calm.env.serialize import to_json
from storm_calm.env.system_prompt import CHAT_PROMPT
from storm_calm.env.workspace import full_question


def problem_dataset(problems: Iterable[Problem], *, instructions: str = CHAT_PROMPT) -> Dataset:
    """Return a dataset with one row for each problem.

    `prompt` has the instructions and the question. `problem` has all of the problem as JSON, with its answers; TRL
    passes it to the environment and not to the model.
    problems: such as `storm_calm.generate(["all"], split="train", seed=7, limit=512)` or
        `storm_calm.read_problems("problems.jsonl")`.
    instructions: the system prompt, "" for none. The default is for thinking models;
        `storm_calm.env.system_prompt.system_prompt("chat", thinking=False)` has steps and an example for others.
    Raises ValueError for files of a problem that are missing or changed, and if there are no problems.
    """
    system = [{"role": "system", "content": instructions}] if instructions else []
    rows = [
        {
            "prompt": [*system, {"role": "user", "content": full_question(problem)}],
            "problem": json.dumps(to_json(problem)),
        }
        for problem in problems
    ]
    if not rows:
        raise ValueError("there are no problems; give at least one")
    return Dataset.from_list(rows)
