"""A rating of one intervention: five questions, answered with `yes`, `no` or `cannot_say`, and a comment."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from storm_calm.env import TRIGGERS, Trigger

Answer = Literal["yes", "no", "cannot_say"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)

MAX_COMMENT = 10_000
"""Most characters of a comment."""

NONE = "none"
"""The right trigger if all seven are wrong."""


class ReviewQuestion(NamedTuple):
    """A question about every intervention."""

    words: str
    help: str
    """The explanation on the page."""
    good: Answer
    """The answer in favour of the intervention."""


QUESTIONS: dict[str, ReviewQuestion] = {
    "finding": ReviewQuestion("Is the finding right?", "The removed text begins with a real flaw.", "yes"),
    "trigger": ReviewQuestion("Is the trigger right?", "The flaw is of the kind that the trigger names.", "yes"),
    "hint": ReviewQuestion("Is the hint right?", "It is true, and would fix the flaw.", "yes"),
    "lightweight": ReviewQuestion("Is the hint lightweight?", "It nudges: short, no code, no solved step.", "yes"),
    "leak": ReviewQuestion("Does the hint leak the answer?", "It reveals the answer, or most of the solution.", "no"),
}
"""The questions by name, in the order of the page."""

MEANINGS: dict[Trigger, str] = {
    "manual_computation": "Numbers are computed in prose instead of by a program.",
    "fragmented_code": "Code pieces that cannot run, or guessed output instead of running the code.",
    "solver_distrust": "The solver result is derived again or overruled.",
    "wrong_formulation": "Wrong objective, sense or decision variables.",
    "missing_constraint": "A constraint is missing or wrong.",
    "wrong_variable_type": "Continuous variables instead of integers, or the reverse.",
    "implementation_drift": "The code differs from the stated model, misreads data, or ignores a status or error.",
}
"""The meaning of each trigger, as shown to reviewers; see `env.Trigger`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rating:
    """The answers of a reviewer on one intervention, possibly incomplete."""

    item: str
    """Id of the intervention."""
    digest: str
    """Fingerprint of the data shown to the reviewer."""
    answers: dict[str, Answer] = field(default_factory=dict)
    """By question; open questions are missing."""
    right_trigger: str | None = None
    """The right trigger or "none", if the trigger is rated as wrong."""
    comment: str = ""
    at: str = ""
    """Time of saving, UTC, ISO 8601."""

    def __post_init__(self) -> None:
        for name in self.answers:
            if name not in QUESTIONS:
                raise ValueError(f"unknown question {name!r}; give one of {', '.join(QUESTIONS)}")
        if self.right_trigger is not None and self.answers.get("trigger") != "no":
            raise ValueError(f"right_trigger is {self.right_trigger!r}, but the trigger is not rated as wrong")
        if self.right_trigger not in (None, NONE, *TRIGGERS):
            raise ValueError(f"right_trigger is {self.right_trigger!r}; give one of {', '.join(TRIGGERS)} or {NONE}")
        if len(self.comment) > MAX_COMMENT:
            raise ValueError(f"the comment has {len(self.comment)} characters; give at most {MAX_COMMENT}")
        try:
            self.comment.encode()
        except UnicodeEncodeError as error:
            # JSON can contain half a surrogate pair.
            raise ValueError(f"the comment is not valid text from character {error.start + 1}") from error

    @property
    def complete(self) -> bool:
        """Whether every question is answered. An incomplete rating is a draft, which is saved but not counted."""
        return self.answers.keys() == QUESTIONS.keys() and (
            self.answers["trigger"] != "no" or self.right_trigger is not None
        )

    @property
    def rejects(self) -> bool:
        """Whether the rating excludes the intervention from training: wrong finding, wrong hint, or a leak."""
        answers = self.answers
        return answers.get("finding") == "no" or answers.get("hint") == "no" or answers.get("leak") == "yes"
