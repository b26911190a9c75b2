"""A reviewer's rating of one intervention: five questions, each answered with yes, no or can't say, and a comment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from storm_calm.env import TRIGGERS, Trigger

Answer = Literal["yes", "no", "cannot_say"]
"""An answer to a question."""

ANSWERS: tuple[Answer, ...] = get_args(Answer)
"""All of them."""

MAX_COMMENT = 10_000
"""Characters that a comment may have."""

NONE = "none"
"""The right trigger where none of the seven is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewQuestion:
    """What is asked about every intervention."""

    words: str
    """The question."""
    help: str
    """What is meant."""
    good: Answer
    """The answer that speaks for the intervention."""


QUESTIONS: dict[str, ReviewQuestion] = {
    "finding": ReviewQuestion(
        words="Is the finding right?", help="What was cut away begins with a real flaw.", good="yes"
    ),
    "trigger": ReviewQuestion(
        words="Is the trigger right?", help="The flaw is of the kind that the trigger names.", good="yes"
    ),
    "hint": ReviewQuestion(words="Is the hint right?", help="It is true, and would mend the flaw.", good="yes"),
    "lightweight": ReviewQuestion(
        words="Is the hint lightweight?", help="It nudges: short, no code, no step worked out.", good="yes"
    ),
    "leak": ReviewQuestion(
        words="Does the hint leak the answer?", help="It gives away the answer, or most of the way.", good="no"
    ),
}
"""The questions by name, in the order in which they are asked."""

MEANINGS: dict[Trigger, str] = {
    "manual_computation": "Numbers are worked out in prose where a program would do.",
    "fragmented_code": "Pieces that cannot run, or planning what code would print instead of running it.",
    "solver_distrust": "What a solver returned is derived again, or overruled.",
    "wrong_formulation": "Wrong objective, sense or decision variables.",
    "missing_constraint": "A constraint is missing or wrong.",
    "wrong_variable_type": "An LP where whole numbers are meant, or the reverse.",
    "implementation_drift": "The code is not the stated model, data are misread, a status or an error is ignored.",
}
"""What each trigger means, as shown to reviewers; see `env.Trigger`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rating:
    """A reviewer's answers on one intervention, so far."""

    item: str
    """The intervention's id."""
    digest: str
    """The fingerprint of what the reviewer saw."""
    answers: dict[str, Answer] = field(default_factory=dict)
    """By question; one that is not answered yet is left out."""
    right_trigger: str | None = None
    """Where the trigger is not right: which one is, or "none"."""
    comment: str = ""
    """Whatever else there is to say."""
    at: str = ""
    """When it was kept: a date and a time, UTC, ISO 8601."""

    def __post_init__(self) -> None:
        for name in self.answers:
            if name not in QUESTIONS:
                raise ValueError(f"question {name!r} is none of {', '.join(QUESTIONS)}")
        if self.right_trigger is not None and self.answers.get("trigger") != "no":
            raise ValueError(f"right_trigger is {self.right_trigger!r}, but the trigger was not rated as wrong")
        if self.right_trigger not in (None, NONE, *TRIGGERS):
            raise ValueError(f"right_trigger is {self.right_trigger!r}; give one of {', '.join(TRIGGERS)} or {NONE}")
        if len(self.comment) > MAX_COMMENT:
            raise ValueError(f"the comment has {len(self.comment)} characters; {MAX_COMMENT} are the most")
        try:
            self.comment.encode()
        except UnicodeEncodeError as error:
            # Half of a character that JSON writes in two parts.
            raise ValueError(f"the comment is no text from character {error.start + 1} on") from error

    @property
    def complete(self) -> bool:
        """Whether everything is answered. What is not complete is a draft: it is kept, and counts for nothing."""
        return self.answers.keys() == QUESTIONS.keys() and (
            self.answers["trigger"] != "no" or self.right_trigger is not None
        )

    @property
    def rejects(self) -> bool:
        """Whether the intervention should not be learned from: no flaw there, a hint that is wrong, or a leak."""
        said = self.answers
        return said.get("finding") == "no" or said.get("hint") == "no" or said.get("leak") == "yes"
