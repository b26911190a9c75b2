"""One run at one problem as a value: everything that happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from storm_calm.env.intervention import Intervention
from storm_calm.env.problem import Problem
from storm_calm.env.transcript import Transcript
from storm_calm.sandbox import Execution

StopReason = Literal["answer", "budget", "length", "malformed", "infrastructure"]
"""Why a run is over.

answer: the model closed its turn with a boxed answer. budget: it wrote one program more than allowed. length: no tokens
are left. malformed: it closed its turn without a boxed answer or a complete program, or wrote nothing of its own, or
a program longer than a sandbox takes.
infrastructure: the sandbox failed; that says nothing about the model, and such a run has no reward.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a run took. Tokens are those in the transcript as it stands; what an intervention removed is not in them."""

    model_tokens: int = 0
    """Tokens that the model wrote."""
    tool_tokens: int = 0
    """Tokens of observations."""
    hint_tokens: int = 0
    """Tokens of hints."""
    generation_seconds: float = 0.0
    """Wall seconds of generation, as far as whoever ran the reasoner told the environment; removed text included."""
    execution_seconds: float = 0.0
    """Wall seconds of waiting for the sandbox, removed executions included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """A run, finished or not."""

    problem: Problem
    """What it is about."""
    transcript: Transcript = field(default_factory=Transcript)
    """What was written."""
    executions: tuple[Execution, ...] = ()
    """One for each tool span, in order."""
    interventions: tuple[Intervention, ...] = ()
    """Every intervention, in order, those included whose hints a later one cut away."""
    stop: StopReason | None = None
    """Why it is over; None while it goes on."""
    usage: Usage = field(default_factory=Usage)
    """What it took so far."""

    def __post_init__(self) -> None:
        tools = sum(span.source == "tool" for span in self.transcript.spans)
        if tools != len(self.executions):
            raise ValueError(f"{len(self.executions)} executions do not fit {tools} tool spans")
        if self.stop is not None and self.stop not in get_args(StopReason):
            raise ValueError(f"stop {self.stop!r} is none of {', '.join(get_args(StopReason))}")
