"""Run the task in `task.json`, and write its result to `result.json`. A task is the function of its module's name."""

import importlib
import json


def main() -> None:
    with open("task.json", encoding="utf-8") as file:
        task = json.load(file)
    name = task.pop("task")
    function = getattr(importlib.import_module(f".{name}", __package__), name)
    with open("result.json", "w", encoding="utf-8") as file:
        json.dump(function(**task), file, allow_nan=False)
