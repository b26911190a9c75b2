"""The harness: it drives the model in this process, so that a rollout needs no installation and no container.

    form = "policy"     the raw model with the tool run_python, whose programs run in STORM's sandbox
    form = "agent"      an agent behind an endpoint, such as `storm serve`, which runs its own programs

Model calls go through verifiers' interception server, which records them for training.
"""

import asyncio
import ssl
from dataclasses import replace
from functools import cache
from typing import Literal

import openai
import verifiers.v1 as vf

from storm_calm.env import Problem
from storm_calm.env.checkers import check_outputs
from storm_calm.env.system_prompt import system_prompt
from storm_calm.sandbox import Isolation, Sandbox, SandboxUnavailableError, open_sandbox
from storm_verifiers.agent_reply import ask_agent
from storm_verifiers.policy_loop import PolicyLoop
from storm_verifiers.rollout_record import RolloutRecord
from storm_verifiers.taskset import problem_of


class StormHarnessConfig(vf.HarnessConfig):
    """The options `--env.agent.harness.*`."""

    form: Literal["policy", "agent"] = "policy"
    """Who runs programs: "policy", a model with the tool run_python; "agent", the endpoint itself."""
    thinking: bool = True
    """Whether the policy reasons before it answers. Other models get a longer prompt, with an example."""
    max_executions: int = 4
    """Programs per rollout of a policy (4 in arXiv 2510.04204)."""
    max_tokens: int = 16384
    """Tokens of a policy's whole transcript with its prompt, by an estimate that is rather too high."""
    isolation: Isolation = "landlock"
    """The lowest isolation level of programs to accept: full, landlock or limits."""


class StormHarness(vf.Harness[StormHarnessConfig]):
    """A policy with the tool run_python, or an agent behind an endpoint."""

    APPENDS_SYSTEM_PROMPT = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(
        self,
        ctx: vf.ModelContext,
        trace: vf.Trace,
        runtime: vf.Runtime,
        endpoint: str,
        secret: str,
        mcp_urls: dict[str, str],
        data: vf.TaskData,
    ) -> vf.ProgramResult:
        """Run one rollout and leave its record in the trace.

        Raises SandboxError if the sandbox fails: verifiers then records an error instead of a reward.
        """
        problem = problem_of(data)
        http = openai.DefaultAsyncHttpxClient(verify=trusted_authorities())
        async with openai.AsyncOpenAI(base_url=endpoint, api_key=secret, timeout=None, http_client=http) as client:
            if self.config.form == "agent":
                record = await ask_agent(client, ctx.model, problem, system=data.system_prompt)
                (await self._checked(record)).write(trace)
            else:
                await self._play(client, ctx.model, problem, trace, system=data.system_prompt)
        return vf.ProgramResult(exit_code=0, stdout="", stderr="")

    async def _play(
        self, client: openai.AsyncOpenAI, model: str, problem: Problem, trace: vf.Trace, *, system: str | None
    ) -> None:
        """Run the rollout of a policy. Its record is also written if a limit of the run ends it."""
        config = self.config
        loop = PolicyLoop(
            client,
            model,
            self._sandbox(),
            instructions=system or system_prompt("chat", thinking=config.thinking),
            max_executions=config.max_executions,
            max_tokens=config.max_tokens,
        )
        try:
            await loop.run(problem)
        finally:
            if loop.begun:
                loop.record().write(trace)

    async def _checked(self, record: RolloutRecord) -> RolloutRecord:
        """Return an agent's record with its outputs checked by the problem's checker."""
        episode = record.episode
        if not episode.problem.outputs or episode.stop != "answer":
            return record
        try:
            check = await asyncio.to_thread(check_outputs, episode.problem, episode.executions, self._sandbox())
        except SandboxUnavailableError as error:
            raise vf.SandboxError(f"the sandbox failed: {error}") from error
        return replace(record, episode=replace(episode, output_check=check))

    def _sandbox(self) -> Sandbox:
        try:
            return shared_sandbox(self.config.isolation)
        except SandboxUnavailableError as error:
            raise vf.SandboxError(f"no sandbox: {error}") from error


@cache
def shared_sandbox(isolation: Isolation) -> Sandbox:
    """Return the process's sandbox with at least this isolation level. It closes with the process."""
    return open_sandbox(minimum_isolation=isolation)


@cache
def trusted_authorities() -> ssl.SSLContext:
    """Return the certificates that clients trust. Reading them for each rollout would take longer than the rollout."""
    return ssl.create_default_context()
