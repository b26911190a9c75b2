"""The outcome of a trajectory.

It is golden if the answer is correct, no flaw is left, the hint share is small (arXiv 2510.04204), and the recorded
solve that gave the answer passes its check, where one is possible.
"""

from collections.abc import Callable
from typing import Literal, get_args

from storm_calm.agents.graphs.hint_share import hint_share
from storm_calm.env import Episode, Finding, score
from storm_calm.env.plans.checks import Check
from storm_calm.env.reward import scorable
from storm_calm.sandbox import SandboxUnavailableError

Outcome = Literal[
    "golden", "wrong_answer", "no_answer", "no_output", "infeasible_plan", "suboptimal_plan", "budget", "length",
    "context", "repetition", "malformed", "unjudged", "finding_left", "failed_check", "hint_share", "infrastructure",
    "checker", "unscored",
]  # fmt: skip
"""The outcome of a trajectory.

wrong_answer to malformed: as in `env.Score`. infrastructure: the sandbox failed. checker: the problem's checker failed.
unscored: no accepted answers and no checker.
The others have a correct answer. unjudged: the intervener gave no usable reply. finding_left: a flaw is left, without
an intervention or a valid hint to repair it. failed_check: the recorded plan violates its own model, has another
objective than reported, or is not optimal (`env.plans.checks`). hint_share: the share of hints is too large.
"""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


def outcome(
    episode: Episode,
    finding: Finding | None,
    *,
    usable: bool = True,
    checked: Callable[[], Check | None] = lambda: None,
    max_hint_share: float,
) -> Outcome:
    """Return the outcome of a finished episode.

    finding: a flaw that is left. usable: whether the intervener gave a usable reply. checked: returns the check of the
    solve that gave the answer, if it was recorded; called last. max_hint_share: in [0, 1].
    """
    if episode.stop == "infrastructure":
        return "infrastructure"
    if not scorable(episode.problem):
        return "unscored"
    reason = score(episode).reason
    if reason != "correct":
        return reason
    if not usable:
        return "unjudged"
    if finding is not None:
        return "finding_left"
    if hint_share(episode) > max_hint_share:
        return "hint_share"
    try:
        check = checked()
    except SandboxUnavailableError:
        return "infrastructure"
    return "failed_check" if check is not None and check.outcome == "failed" else "golden"
