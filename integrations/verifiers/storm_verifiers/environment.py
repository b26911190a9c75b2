"""The environment: one agent, which by default needs no account and no container."""

from typing import Any

import verifiers.v1 as vf
from pydantic import model_validator


class StormEnvConfig(vf.SingleAgentEnvConfig):
    """The options `--env.*`."""

    # verifiers' own default is a rented machine. Here the loop runs in this process, and programs in STORM's sandbox.
    agent: vf.AgentConfig = vf.AgentConfig(runtime=vf.SubprocessConfig())
    """The model under evaluation or training."""

    @model_validator(mode="before")
    @classmethod
    def _use_own_harness(cls, data: Any) -> Any:
        """Take options of a harness without an id for those of `StormHarness`."""
        agent = data.get("agent") if isinstance(data, dict) else None
        if isinstance(agent, dict) and isinstance(agent.get("harness"), dict):
            agent["harness"].setdefault("id", "storm_verifiers")
        return data


class StormEnv(vf.SingleAgentEnv, vf.Env[StormEnvConfig]):
    """One agent on one problem."""
