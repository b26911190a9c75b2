"""The environments for `GRPOTrainer(environment_factory=...)`.

`StormEnvironment` is STORM's own protocol for chat models: the model calls `run_python` and states the answer in its
last message. TRL does not show that message to an environment, so `storm_trl.reward.answer_reward` passes it on.
`SubmitEnvironment` needs no reward function: the model states the answer by a second tool.

TRL makes one object for each rollout of a batch and reuses it. All share one sandbox. Each public method except `reset`
and `get_reward` is a tool, and its docstring is what the model reads.
"""

import json
from functools import cache
from typing import Any

from storm_calm.env import Problem, last_boxed
from storm_calm.env.serialize import from_json
from storm_calm.sandbox import Sandbox, open_sandbox
from storm_trl.tool_episode import ToolEpisode


@cache
def shared_sandbox() -> Sandbox:
    """Return the sandbox of this process."""
    return open_sandbox()


class StormEnvironment:
    """Runs the programs of one rollout."""

    def __init__(self, sandbox: Sandbox | None = None, *, max_executions: int = 4) -> None:
        """sandbox: by default the shared one. max_executions: programs per rollout (4 in arXiv 2510.04204).

        Pass other values with `functools.partial`.
        """
        self.episode = ToolEpisode(sandbox or shared_sandbox(), max_executions=max_executions)

    def reset(self, *, problem: str, **_: Any) -> None:
        """Start an episode with the problem of a row of `problem_dataset`, whose prompt has the question already.

        problem: the problem as JSON, which the model does not see. Raises ValueError if it is invalid.
        """
        self.episode.start(from_json(Problem, json.loads(problem)))

    def run_python(self, code: str) -> str:
        """
        Run a whole Python program and return what it prints. Each program runs on its own. At most a few runs are
        allowed.

        Args:
            code: The program.

        Returns:
            What the program prints, or its error message.
        """
        return self.episode.run(code)


class SubmitEnvironment(StormEnvironment):
    """Runs the programs of one rollout and scores the answer that the model submits."""

    def submit_answer(self, answer: str) -> str:
        """
        Submit the final answer. Only the first submission counts. End your turn afterwards.

        Args:
            answer: The optimal objective value as a number, or "infeasible" or "unbounded".

        Returns:
            A confirmation.
        """
        text = str(answer)
        self.episode.finish(text if last_boxed(text) is not None else f"\\boxed{{{text}}}")
        return "The answer is submitted. End your turn now."

    def get_reward(self) -> float | None:
        """Return 1.0 for a correct answer and 0.0 otherwise; None if the rollout cannot be scored.

        That is so if the sandbox or the problem's checker failed, or if the problem has no accepted answers. TRL then
        excludes the rollout.
        """
        scored = self.episode.finish("")
        return None if scored is None else scored.reward
