"""What clients and the server exchange. No message has an accepted answer."""

from typing import Any, Literal, Self

from openenv.core.env_server.types import Action, Observation, State
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from storm_calm.sandbox import MAX_CODE_BYTES

MAX_ANSWER_CHARS = 1_000_000
"""Characters of a final message, thoughts included."""


class ResetOptions(BaseModel):
    """The options of a reset. They choose the problem."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    seed: int | None = Field(default=None, ge=0, le=2**63 - 1)
    """The same seed gives the same problem; None for a random one."""
    episode_id: str | None = Field(default=None, max_length=255)
    """The episode's id in `state`; None for a random one."""
    family: str = Field(default="all", max_length=100)
    """A problem family, or "all", "easy" or "complex". Ignored if the server has a problem file."""
    split: Literal["train", "heldout"] = "train"
    """The split of a family's problems. They share no instance. Ignored if the server has a problem file."""
    problem_id: str | None = Field(default=None, max_length=1000)
    """The id of a problem in the server's problem file."""

    @classmethod
    def parse(cls, options: dict[str, Any]) -> Self:
        """Return the options that a client sent. Raises ValueError that names the invalid ones."""
        try:
            return cls.model_validate(options)
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise ValueError("; ".join(faults)) from error


class StormAction(Action):
    """A program to run, or the final answer."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    code: str | None = Field(default=None, max_length=MAX_CODE_BYTES)
    """A whole Python program. It runs alone."""
    answer: str | None = Field(default=None, max_length=MAX_ANSWER_CHARS)
    """The model's last message, with a number, infeasible or unbounded in \\boxed{}. It ends the episode."""
    truncated: bool = False
    """Whether a token limit cut the message. It has no answer then, whatever it says."""

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.code is None) == (self.answer is None):
            # The server cannot send the exception that a ValueError leaves in the error's context.
            raise PydanticCustomError("one_action", 'give "code" or "answer", and not both')
        if self.truncated and self.answer is None:
            raise PydanticCustomError("truncated_program", '"truncated" is about "answer"; leave it out for a program')
        return self


class StormObservation(Observation):
    """The environment's response. The reward is 0.0 until the episode ends."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    instructions: str = ""
    """After a reset: the system prompt for models that call `run_python` as a tool."""
    question: str = ""
    """After a reset: the problem in words."""
    output: str = ""
    """After a program: its output as models see it."""
    status: str = ""
    """After a program: the status of its execution, such as "ok", "error" or "timeout"."""
    executions_left: int = 0
    """The number of programs that may still run."""
    reason: str = ""
    """At the end: the reason of the reward, such as "correct", "wrong_answer" or "budget"."""


class StormState(State):
    """The state of a session."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    problem_id: str = ""
    """The id of the problem; "" before the first reset."""
    family: str = ""
    """The problem family of a generated problem."""
    difficulty: str = ""
    """The intended difficulty of a generated problem."""
    seed: int | None = None
    """The seed of the last reset, drawn by the server if the client sent none."""
    executions: int = 0
    """The number of programs that ran."""
    done: bool = False
    """Whether the episode has ended."""
    reward: float | None = None
    """The reward of an episode that has ended."""
    reason: str = ""
    """The reason of the reward."""
