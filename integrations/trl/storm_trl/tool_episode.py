"""An episode of `SolverEnv` that is driven by tool calls instead of a model's raw text.

    episode = ToolEpisode(sandbox)
    episode.start(problem)
    print(episode.run("print(6 * 7)"))
    print(episode.finish("The answer is \\boxed{42}.").reward)

A trainer that parses tool calls itself passes on the program and, at the end, the last message. Both are written into
the transcript, so limits, outputs and scores are those of the environment.
"""

from storm_calm.env import Generation, Problem, Score, SolverEnv, score
from storm_calm.env.output_blocks import observed
from storm_calm.env.reward import scorable
from storm_calm.env.tool_driven import open_tool_env, tool_call
from storm_calm.sandbox import Sandbox


class ToolEpisode:
    """One episode at a time. It never raises for what a model sends, and is not thread-safe."""

    def __init__(self, sandbox: Sandbox, *, max_executions: int = 4) -> None:
        """max_executions: programs per episode (4 in arXiv 2510.04204)."""
        self._env = open_tool_env(sandbox, max_executions=max_executions)

    @property
    def env(self) -> SolverEnv:
        """The environment, for its transcript and executions."""
        return self._env

    def start(self, problem: Problem) -> None:
        """Start an episode. Raises ValueError for files of the problem that are missing or changed."""
        self._env.reset(problem)

    def run(self, code: object) -> str:
        """Run a program, and return its output as models see it, or why it did not run.

        code: the argument as the model sent it; other values than text are answered with an error.
        """
        if self._env.episode.stop is not None:
            return self._ended()
        result = self._env.step(tool_call(code))
        if result.execution is None:
            return self._ended()
        return observed(result.execution, last=len(self._env.episode.executions) >= self._env.max_executions)

    def finish(self, message: str, *, truncated: bool = False) -> Score | None:
        """End the episode with the model's last message, and return the score; None if the problem has no answers.

        The score's reward is None if the sandbox or the problem's checker failed. An episode that ended already, for
        example with one program too many, keeps its score.
        truncated: the message was cut by a token limit, so it has no answer.
        """
        if self._env.episode.stop is None:
            self._env.step(Generation(text=message, finish="length" if truncated else "end"))
        if self._env.episode.stop is None:  # The message had a call that the trainer did not recognize.
            self._env.step(Generation(text="", finish="end"))
        return score(self._env.episode) if scorable(self._env.episode.problem) else None

    def _ended(self) -> str:
        """Return why no program runs any more, for the model."""
        if self._env.episode.stop == "infrastructure":
            return "The sandbox failed, so this attempt does not count."
        return "Nothing ran: this attempt has ended. Give the final answer."
