"""The taskset: problems of families or of a file, and STORM's own reward for them."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import verifiers.v1 as vf
from pydantic import Field, model_validator

from storm_calm.env import Problem, score
from storm_calm.env.serialize import from_json, to_json
from storm_calm.env.workspace import full_question
from storm_verifiers.problem_source import ProblemSource, confirm, draw, read
from storm_verifiers.rollout_record import read_record


class StormConfig(vf.TasksetConfig):
    """The options `--env.taskset.*`."""

    families: list[str] = Field(default_factory=lambda: ["all"])
    """Problem families to draw from; "all", "easy" and "complex" select several."""
    problems: Path | None = None
    """A file of problems (JSON Lines, a JSON array or CSV), instead of families."""
    split: Literal["train", "heldout"] = "train"
    """Split of the families; "heldout" is for evaluation only."""
    seed: int = 0
    """Seed of the families; the same seed gives the same problems."""
    limit: int | None = Field(None, ge=1)
    """Number of problems. Without it families never end, and a run needs `-n`."""
    size: int | None = Field(None, ge=1)
    """Approximate number of variables of the families' problems. Their data are in files, and plans are checked."""
    folder: Path | None = None
    """The folder for the files of problems with a size."""

    @model_validator(mode="after")
    def check_folder(self) -> "StormConfig":
        """Raise ValueError for a size without a folder."""
        if self.size is not None and self.problems is None and self.folder is None:
            raise ValueError("size: problems with a size have files; give the folder for them, such as folder = 'data'")
        return self


class StormData(vf.TaskData):
    """One problem. The model sees `prompt` only."""

    problem: dict[str, Any]
    """The problem with its accepted answers, as JSON data."""


class StormTask(vf.Task[StormData]):
    """One problem and its reward."""

    def __init__(
        self, data: StormData, config: vf.TaskConfig | None = None, source: ProblemSource | None = None
    ) -> None:
        super().__init__(data, config)
        self.source = source
        """What the problem was generated from; None for a task that was read from its data."""

    @property
    def key(self) -> str:
        """The problem's id, which its content determines."""
        return problem_of(self.data).id

    @vf.reward
    async def correct(self, trace: vf.Trace) -> float:
        """Return 1.0 for a correct answer, else 0.0, by the problem's own rule. Raises if it could not be checked."""
        result = score(read_record(trace, problem_of(self.data)).episode)
        if result.reward is None:
            raise RuntimeError(f"{self.key}: no reward ({result.reason}): {'; '.join(result.violations)}")
        return result.reward

    @vf.metric
    async def solver_use(self, trace: vf.Trace) -> dict[str, float]:
        """Return the programs that ran, the solves that they reported, and whether one of these has the answer."""
        record = read_record(trace, problem_of(self.data))
        return {
            "executions": float(record.executions),
            "solver_reports": float(record.solver_reports),
            "backed": float(record.backed),
        }

    async def validate(self, runtime: vf.Runtime) -> bool | None:
        """Solve a generated problem again and compare the answers; None for a problem without a known model."""
        source = self.source or ProblemSource(problem=problem_of(self.data))
        return await asyncio.to_thread(confirm, source)


class StormTaskset(vf.Taskset[StormTask, StormConfig]):
    """Endless problems of families, or those of a file."""

    def __init__(self, config: StormConfig) -> None:
        super().__init__(config)
        self.INFINITE = config.problems is None and config.limit is None

    def load(self) -> Iterator[StormTask]:
        """Yield the tasks. Raises ValueError for unknown families and unusable files."""
        config = self.config
        if config.problems is not None:
            sources = read(config.problems)
        else:
            sources = draw(
                config.families, split=config.split, seed=config.seed, size=config.size, folder=config.folder
            )
        for source in islice(sources, config.limit):
            problem = source.problem
            name = problem.family or problem.id
            data = StormData(id=problem.id, name=name, prompt=full_question(problem), problem=to_json(problem))
            yield StormTask(data, config.task, source)


def problem_of(data: StormData) -> Problem:
    """Return the problem of a task."""
    return from_json(Problem, data.problem)
