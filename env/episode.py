"""The immutable record of one attempt at one problem."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from storm_calm.env.intervention import Intervention
from storm_calm.env.output_check import OutputCheck
from storm_calm.env.problem import Problem
from storm_calm.env.transcript import Transcript
from storm_calm.sandbox import Execution

StopReason = Literal["answer", "budget", "length", "context", "repetition", "malformed", "infrastructure"]
"""Why an episode ended.

answer: the model closed its turn with a boxed answer.
budget: it wrote one program more than allowed.
length: no tokens are left.
context: the model's server found the prompt too long, by its own count of the tokens.
repetition: it repeated the same text without end (`env.repetition`), or the same program after it failed twice.
malformed: it closed its turn without a boxed answer, a program or a call, wrote no text of its own, or wrote a program
longer than the sandbox accepts.
infrastructure: the sandbox failed. The model is not at fault, so the episode has no reward.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Resources used by an episode. Only tokens of the current transcript count, not text removed by interventions."""

    model_tokens: int = 0
    """Tokens written by the model."""
    tool_tokens: int = 0
    """Tokens of observations."""
    hint_tokens: int = 0
    """Tokens of hints."""
    generation_seconds: float = 0.0
    """Wall seconds of generation reported by the caller, including text removed later."""
    execution_seconds: float = 0.0
    """Wall seconds spent waiting for the sandbox, including executions removed later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """One attempt at one problem, finished or not."""

    problem: Problem
    """The problem to solve."""
    transcript: Transcript = field(default_factory=Transcript)
    """All text so far."""
    executions: tuple[Execution, ...] = ()
    """The execution of each tool span, in order."""
    interventions: tuple[Intervention, ...] = ()
    """Every intervention, in order, including those whose hints were removed later."""
    stop: StopReason | None = None
    """Why the episode ended; None until it ends."""
    usage: Usage = field(default_factory=Usage)
    """Resources used so far."""
    output_check: OutputCheck | None = None
    """The check of the problem's outputs; None if it has none, or until the episode ends with an answer."""

    def __post_init__(self) -> None:
        tools = sum(span.source == "tool" for span in self.transcript.spans)
        if tools != len(self.executions):
            raise ValueError(f"{len(self.executions)} executions do not fit {tools} tool spans")
        if self.stop is not None and self.stop not in get_args(StopReason):
            raise ValueError(f"stop {self.stop!r} must be one of {', '.join(get_args(StopReason))}")
