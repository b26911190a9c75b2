"""The seven triggers of arXiv 2510.04204 and their two classes, findings, and interventions."""

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
"""A kind of flaw in a transcript.

manual_computation: numbers computed in prose instead of by a program.
fragmented_code: pieces that cannot run, or predicting what code would print instead of running it.
solver_distrust: a solver's result is derived again or overruled.
wrong_formulation: wrong objective, sense or decision variables.
missing_constraint: a constraint is missing or wrong.
wrong_variable_type: continuous variables that must be whole numbers, or the reverse.
implementation_drift: code that differs from the stated model, misread data, an ignored solver status or error.
"""

TriggerClass = Literal["code_utilization_distrust", "lack_of_or_expertise"]
"""Why a flaw happens: the model distrusts its tool, or lacks knowledge of operations research."""

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
    """A flaw found in a transcript."""

    trigger: Trigger
    """The kind of flaw."""
    offset: int
    """Start of the flaw, in characters of the transcript's text."""
    evidence: str
    """The words or numbers that show it."""
    confidence: float = 1.0
    """Confidence of the finder, in [0, 1]."""
    rule: str = ""
    """Name of the rule that found it; "llm" for a language model, "person" for a person."""
    why: str = ""
    """Explanation in words; "" if the rule's name is enough."""

    def __post_init__(self) -> None:
        if self.trigger not in TRIGGERS:
            raise ValueError(f"trigger {self.trigger!r} must be one of {', '.join(TRIGGERS)}")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence is {self.confidence!r}; give a number in [0, 1]")
        if self.offset < 0:
            raise ValueError(f"offset is {self.offset!r}; give 0 or more")

    @property
    def finder(self) -> Finder:
        """The kind of intervener that found the flaw."""
        return self.rule if self.rule in ("llm", "person") else "rules"  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True, slots=True)
class Intervention:
    """A hint inserted in place of a flaw."""

    finding: Finding
    """The flaw."""
    hint: str
    """One or two sentences in the reasoner's own voice, as in the transcript, without surrounding white space."""
    cut: int
    """Offset at which the transcript was cut and the hint inserted, in characters."""
    removed: str
    """The text removed after the cut, including tool output."""
