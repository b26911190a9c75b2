"""Solving recorded models in a process of the sandbox, with code of this project and the record as data."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from storm_calm.env.plans.record import CpSatModel, LinearModel
from storm_calm.env.serialize import to_json
from storm_calm.sandbox import Limits, Sandbox

_MAIN = "import {library}\nfrom inside.tasks import main\nmain()\n"
_MORE_SECONDS = 5.0  # to read the model and to end, after the solver's own time limit


def run_task(
    sandbox: Sandbox, task: str, model: LinearModel | CpSatModel, *, seconds: float, **options: Any
) -> dict[str, Any]:
    """Run a task of `env.plans.inside` on a model and return its result; {"failed": reason} if it gives none.

    seconds: time limit of the solver. Raises SandboxUnavailableError if the sandbox fails.
    """
    given: Mapping[str, Any] = {"task": task, "model": to_json(model), "seconds": seconds, **options}
    library = "ortools.sat.python.cp_model" if isinstance(model, CpSatModel) else "highspy"
    limits = Limits(seconds=seconds + _MORE_SECONDS, memory_mb=2048)
    files = {**_sources(), "task.json": json.dumps(given).encode()}
    execution = sandbox.run(_MAIN.format(library=library), files=files, limits=limits, results=("result.json",))
    if execution.status != "ok":
        return {"failed": f"the examination ended with {execution.status}: {execution.error_line}"[:300]}
    try:
        return dict(json.loads(execution.files["result.json"]))
    except (KeyError, TypeError, ValueError):
        return {"failed": "the examination gave no result"}


@cache
def _sources() -> dict[str, bytes]:
    """Return the files of `env.plans.inside`."""
    folder = Path(__file__).with_name("inside")
    return {f"inside/{file.name}": file.read_bytes() for file in sorted(folder.glob("*.py"))}
