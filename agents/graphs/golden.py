"""What makes a run golden, and what keeps one from it.

Golden: the answer is right, no flaw is left, and hints are a small part of the text (arXiv 2510.04204).
"""

from __future__ import annotations

from typing import Literal, get_args

from storm_calm.agents.graphs.hint_share import hint_share
from storm_calm.env import Episode, Finding, score

Outcome = Literal[
    "golden",
    "wrong_answer",
    "no_answer",
    "budget",
    "length",
    "malformed",
    "unjudged",
    "finding_left",
    "hint_share",
    "infrastructure",
    "unscored",
]
"""What became of a run.

wrong_answer to malformed: as in `env.Score`. unjudged: right, but the intervener gave no usable reply.
finding_left: right, but a flaw is left, and no interventions or no valid hint to repair it with. hint_share: right, but
too much of it is hints. infrastructure: the sandbox failed. unscored: nobody knows the answer.
"""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""All of them."""


def outcome(episode: Episode, finding: Finding | None, *, usable: bool = True, max_hint_share: float) -> Outcome:
    """The outcome of a finished run. finding: what is still found in it, the answer aside.

    usable: whether the intervener gave a usable reply.

    max_hint_share: the limit for `hint_share`, in [0, 1].
    """
    if episode.stop == "infrastructure":
        return "infrastructure"
    if not episode.problem.answers:
        return "unscored"
    reason = score(episode).reason
    if reason != "correct":
        return reason
    if not usable:
        return "unjudged"
    if finding is not None:
        return "finding_left"
    return "golden" if hint_share(episode) <= max_hint_share else "hint_share"
