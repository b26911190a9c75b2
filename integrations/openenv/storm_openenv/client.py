"""The client of the environment."""

from typing import Any

from openenv.core import EnvClient
from openenv.core.client_types import StepResult

from storm_openenv.models import StormAction, StormObservation, StormState


class StormEnv(EnvClient[StormAction, StormObservation, StormState]):
    """A session. `reset` takes the fields of `ResetOptions`. `.sync()` returns a client without `await`."""

    def _step_payload(self, action: StormAction) -> dict[str, Any]:
        return action.model_dump(exclude_none=True, exclude={"metadata"})

    def _parse_result(self, payload: dict[str, Any]) -> StepResult[StormObservation]:
        fields = {**payload["observation"], "done": payload["done"], "reward": payload["reward"]}
        observation = StormObservation.model_validate(fields)
        return StepResult(observation=observation, reward=payload["reward"], done=payload["done"])

    def _parse_state(self, payload: dict[str, Any]) -> StormState:
        return StormState.model_validate(payload)
