"""Optimization modeling with language models: curate with CALM, train and serve STORM, in one solver environment.

    from storm_calm import SolverEnv, generate, open_reasoner, open_sandbox, run_episode, score

    reasoner = open_reasoner("nano")
    with open_sandbox() as sandbox:
        for problem in generate(["all"], split="heldout", seed=7, limit=5):
            episode = run_episode(SolverEnv(sandbox, reasoner), reasoner, problem)
            print(problem.id, score(episode).reward)

Each name is imported when it is first used, so that `import storm_calm` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storm_calm.agents.curation.config import CurateConfig
    from storm_calm.agents.curation.run_curation import curate
    from storm_calm.agents.evaluation.config import EvalConfig
    from storm_calm.agents.evaluation.run_evaluation import evaluate
    from storm_calm.agents.merge.merge_shards import merge_shards
    from storm_calm.agents.reasoners import open_reasoner
    from storm_calm.env import (
        Checker,
        Episode,
        Output,
        Problem,
        ProblemFile,
        Reasoner,
        ReasonerError,
        Score,
        SolverEnv,
        Transcript,
        read_episodes,
        read_problems,
        run_episode,
        score,
        write_problems,
    )
    from storm_calm.env.problems.families import generate
    from storm_calm.sandbox import Execution, Limits, Sandbox, SandboxUnavailableError, open_sandbox

_HOMES = {
    "storm_calm.agents.curation.config": ("CurateConfig",),
    "storm_calm.agents.curation.run_curation": ("curate",),
    "storm_calm.agents.evaluation.config": ("EvalConfig",),
    "storm_calm.agents.evaluation.run_evaluation": ("evaluate",),
    "storm_calm.agents.merge.merge_shards": ("merge_shards",),
    "storm_calm.agents.reasoners": ("open_reasoner",),
    "storm_calm.env": (
        *(
            "Checker",
            "Episode",
            "Output",
            "Problem",
            "ProblemFile",
            "Reasoner",
            "ReasonerError",
            "Score",
            "SolverEnv",
            "Transcript",
        ),
        *("read_episodes", "read_problems", "run_episode", "score", "write_problems"),
    ),
    "storm_calm.env.problems.families": ("generate",),
    "storm_calm.sandbox": ("Execution", "Limits", "Sandbox", "SandboxUnavailableError", "open_sandbox"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Checker",
    "CurateConfig",
    "Episode",
    "EvalConfig",
    "Execution",
    "Limits",
    "Output",
    "Problem",
    "ProblemFile",
    "Reasoner",
    "ReasonerError",
    "Sandbox",
    "SandboxUnavailableError",
    "Score",
    "SolverEnv",
    "Transcript",
    "curate",
    "evaluate",
    "generate",
    "merge_shards",
    "open_reasoner",
    "open_sandbox",
    "read_episodes",
    "read_problems",
    "run_episode",
    "score",
    "write_problems",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'storm_calm' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
