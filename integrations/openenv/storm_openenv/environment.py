"""One session of the environment: reset, step, state, and the same actions as tools for MCP.

The episode is one of `SolverEnv`: programs and the final message are written into its transcript. So limits, outputs
and rewards are those of curation, evaluation and training.
"""

import asyncio
import secrets
from functools import cache
from threading import Lock
from typing import Any
from uuid import uuid4

from fastmcp import FastMCP
from openenv.core.env_server.mcp_environment import MCPEnvironment
from openenv.core.env_server.types import Action, EnvironmentMetadata

from storm_calm.env import Generation, Score, SolverEnv, last_boxed, score
from storm_calm.env.output_blocks import observed
from storm_calm.env.system_prompt import CHAT_PROMPT
from storm_calm.env.tool_driven import open_tool_env, tool_call
from storm_calm.env.workspace import full_question
from storm_calm.sandbox import Sandbox, SandboxUnavailableError, open_sandbox
from storm_openenv.models import ResetOptions, StormAction, StormObservation, StormState
from storm_openenv.problem_source import ProblemSource


@cache
def shared_sandbox() -> Sandbox:
    """Return the sandbox of this process, opened with its first episode."""
    return open_sandbox()


class StormEnvironment(MCPEnvironment):
    """One session. Sessions share the sandbox and nothing else."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, source: ProblemSource, sandbox: Sandbox | None = None, *, max_executions: int = 4) -> None:
        """sandbox: by default that of the process. max_executions: programs per episode (4 in arXiv 2510.04204)."""
        server = FastMCP("storm")
        server.tool(self.run_python)
        server.tool(self.submit_answer)
        super().__init__(server)
        self._source = source
        self._sandbox = sandbox
        self._max_executions = max_executions
        # Steps and MCP tools of one session may arrive at the same time, and it may be closed meanwhile.
        self._lock = Lock()
        self._closed = False
        self._env: SolverEnv | None = None
        self._state = StormState()

    def reset(self, seed: int | None = None, episode_id: str | None = None, **options: Any) -> StormObservation:
        """Start an episode. options: the other fields of `ResetOptions`. Raises ValueError for invalid ones."""
        chosen = ResetOptions.parse({"seed": seed, "episode_id": episode_id, **options})
        drawn = secrets.randbelow(2**31) if chosen.seed is None else chosen.seed
        problem = self._source.choose(chosen, drawn)
        with self._lock:
            self._check_open()
            env = open_tool_env(self._runner(), max_executions=self._max_executions)
            env.reset(problem)
            self._env = env
            self._state = StormState(
                episode_id=chosen.episode_id or str(uuid4()),
                problem_id=problem.id,
                family=problem.family,
                difficulty=problem.difficulty,
                seed=drawn,
            )
            return StormObservation(
                instructions=CHAT_PROMPT, question=full_question(problem), executions_left=self._max_executions
            )

    @property
    def state(self) -> StormState:
        return self._state

    def get_metadata(self) -> EnvironmentMetadata:
        return EnvironmentMetadata(
            name="storm",
            description="Optimization problems in words: write solver programs, read their output, state the optimum.",
            version="0.1.0",
        )

    def close(self) -> None:
        """End the session. The sandbox stays open for the others."""
        with self._lock:
            self._closed = True
            self._env = None
        super().close()

    async def run_python(self, code: str) -> str:
        """Run a whole Python program and return what it prints. Each program runs on its own."""
        return await asyncio.to_thread(self._run_tool, code)

    async def submit_answer(self, answer: str) -> str:
        """Submit the final answer: the optimal objective value as a number, or "infeasible" or "unbounded"."""
        text = answer if last_boxed(answer) is not None else f"\\boxed{{{answer}}}"
        await asyncio.to_thread(self._step_impl, StormAction(answer=text))
        return "The answer is submitted."

    def _run_tool(self, code: str) -> str:
        if self._env is None:  # In production, agents have questions of their own.
            return observed(self._runner().run(StormAction(code=code).code or ""), last=False)
        return self._step_impl(StormAction(code=code)).output

    def _step_impl(self, action: Action, timeout_s: float | None = None, **_: Any) -> StormObservation:
        """Run a program or accept the answer.

        Raises SandboxUnavailableError if the sandbox failed; the step did not happen then and can be repeated. Raises
        RuntimeError without an episode, and if the problem's checker failed: such an episode has no reward.
        """
        assert isinstance(action, StormAction)
        with self._lock:
            self._check_open()
            env = self._env
            if env is None or env.episode.stop is not None:
                raise RuntimeError(f"{'no episode' if env is None else 'the episode has ended'}; send a reset first")
            before = env.snapshot()
            result = env.step(_generation(action))
            if result.stop == "infrastructure":
                env.restore(before)
                raise SandboxUnavailableError(result.observation)
            if env.episode.stop is None and action.answer is not None:
                # The message had a call, which must come as "code".
                env.step(Generation(text="", finish="end"))
            return self._observe(env)

    def _observe(self, env: SolverEnv) -> StormObservation:
        """Update the state, and return the observation of the last step."""
        episode = env.episode
        last = episode.executions[-1] if episode.transcript.spans[-1].source == "tool" else None
        left = self._max_executions - len(episode.executions)
        scored: Score | None = score(episode) if episode.stop is not None else None
        self._state = self._state.model_copy(
            update={
                "step_count": self._state.step_count + 1,
                "executions": len(episode.executions),
                "done": scored is not None,
                "reward": None if scored is None else scored.reward,
                "reason": "" if scored is None else scored.reason,
            }
        )
        if scored is not None and scored.reward is None:
            raise RuntimeError(f"the episode has no reward ({scored.reason}): {'; '.join(scored.violations)}")
        return StormObservation(
            output="" if last is None else observed(last, last=left == 0),
            status="" if last is None else last.status,
            executions_left=left,
            done=scored is not None,
            reward=0.0 if scored is None else scored.reward,
            reason="" if scored is None else scored.reason,
        )

    def _runner(self) -> Sandbox:
        return self._sandbox or shared_sandbox()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the session has been closed; connect again")


def _generation(action: StormAction) -> Generation:
    """Return the model's text for an action."""
    if action.answer is not None:
        return Generation(text=action.answer, finish="length" if action.truncated else "end")
    return tool_call(action.code)
