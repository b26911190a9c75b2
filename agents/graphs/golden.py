"""The outcome of a trajectory.

It is golden if the answer is correct, no flaw is left and the hint share is small (arXiv 2510.04204).
"""

from typing import Literal, get_args

from storm_calm.agents.graphs.hint_share import hint_share
from storm_calm.env import Episode, Finding, score

Outcome = Literal[
    "golden", "wrong_answer", "no_answer", "budget", "length", "context", "repetition", "malformed", "unjudged",
    "finding_left", "hint_share", "infrastructure", "unscored",
]  # fmt: skip
"""The outcome of a trajectory.

wrong_answer to malformed: as in `env.Score`. infrastructure: the sandbox failed. unscored: no accepted answers.
The others have a correct answer. unjudged: the intervener gave no usable reply. finding_left: a flaw is left, without
an intervention or a valid hint to repair it. hint_share: the share of hints is too large.
"""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


def outcome(episode: Episode, finding: Finding | None, *, usable: bool = True, max_hint_share: float) -> Outcome:
    """Return the outcome of a finished episode.

    finding: a flaw that is left. usable: whether the intervener gave a usable reply. max_hint_share: in [0, 1].
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
