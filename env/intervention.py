"""The seven triggers, and what is put down when one fires: a finding, and the intervention that answers it.

The two classes are those of arXiv 2510.04204: a model distrusts its tool, or it lacks knowledge of operations research.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

Trigger = Literal[
    "manual_computation",
    "fragmented_code",
    "solver_distrust",
    "wrong_formulation",
    "missing_constraint",
    "wrong_variable_type",
    "implementation_drift",
]
"""A kind of flaw in a run.

manual_computation: numbers are worked out in prose where a program would do.
fragmented_code: pieces that cannot run, or planning what code would print instead of running it.
solver_distrust: what a solver returned is derived again, or overruled.
wrong_formulation: wrong objective, sense or decision variables.
missing_constraint: a constraint is missing or wrong.
wrong_variable_type: an LP where whole numbers are meant, or the reverse.
implementation_drift: code that differs from the stated model, misread data, a solver status or an error ignored.
"""

TriggerClass = Literal["code_utilization_distrust", "lack_of_or_expertise"]
"""What lies behind a flaw."""

TRIGGERS: tuple[Trigger, ...] = get_args(Trigger)
"""The triggers, in the paper's order."""

TRIGGER_CLASS: Mapping[Trigger, TriggerClass] = MappingProxyType(
    {
        trigger: "code_utilization_distrust" if number < 3 else "lack_of_or_expertise"
        for number, trigger in enumerate(TRIGGERS)
    }
)
"""The class of each trigger: the first three, the other four."""


Finder = Literal["rules", "llm", "person"]
"""Kinds of interveners."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A flaw that somebody found in a run."""

    trigger: Trigger
    """Which kind of flaw."""
    offset: int
    """Where it begins, in characters of the transcript's text."""
    evidence: str
    """The words or numbers that show it."""
    confidence: float = 1.0
    """How sure the finder is, in [0, 1]."""
    rule: str = ""
    """The rule that found it, where a rule did; "llm" where a language model did, "person" where a person did."""
    why: str = ""
    """What is wrong there, in words; "" where the rule says it."""

    def __post_init__(self) -> None:
        if self.trigger not in TRIGGERS:
            raise ValueError(f"trigger {self.trigger!r} is none of {', '.join(TRIGGERS)}")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence is {self.confidence!r}; give a number in [0, 1]")
        if self.offset < 0:
            raise ValueError(f"offset is {self.offset!r}; give 0 or more")

    @property
    def finder(self) -> Finder:
        """Who found it."""
        return self.rule if self.rule in ("llm", "person") else "rules"  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True, slots=True)
class Intervention:
    """A hint, dropped in where a flaw was."""

    finding: Finding
    """The flaw."""
    hint: str
    """One or two sentences in the reasoner's own voice, as they stand in the transcript but for the white space."""
    cut: int
    """The offset at which the transcript was cut and the hint put, in characters."""
    removed: str
    """What stood after the cut, tool output included."""
