"""The parts of a state machine: a reasoner, a sandbox, an intervener, and limits.

Parts are not in the state or its checkpoints. Resume a trajectory with the same parts.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

from storm_calm.agents.graphs.hint_share import MAX_HINT_SHARE
from storm_calm.agents.interveners import Fault, Inspection, Intervener, RejectedHint, RulesIntervener
from storm_calm.agents.interveners.leak_check import faults
from storm_calm.env import Episode, Finding, Reasoner, Sampling, SolverEnv
from storm_calm.sandbox import Sandbox, open_sandbox


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The parts of one state machine. Trajectories may share them."""

    reasoner: Reasoner
    sandbox: Sandbox
    intervener: Intervener = field(default_factory=RulesIntervener)
    """Ignored by STORM."""
    sampling: Sampling | None = None
    """Sampling parameters except the seed; the reasoner's defaults if None."""
    max_executions: int = 4
    """Executions per trajectory."""
    max_tokens: int | None = None
    """Tokens per transcript; the reasoner's context length if None."""
    max_interventions: int = 5
    """Hints per trajectory (5 in arXiv 2510.04204)."""
    max_hint_share: float = MAX_HINT_SHARE
    """The largest share of hints in the model and hint tokens of a golden trajectory, in [0, 1]."""
    confidence_floor: float = 0.0
    """Confidence in [0, 1] below which findings are ignored."""
    patience: int = 0
    """Hints in a row for the same trigger after which no more are given for it; 0 is unlimited."""
    streaming: bool = False
    """Whether text is emitted while it is generated, for the stream mode "custom"."""

    def env(self, episode: Episode | None = None) -> SolverEnv:
        """Return an environment, restored to `episode` if given."""
        env = SolverEnv(self.sandbox, self.reasoner, max_executions=self.max_executions, max_tokens=self.max_tokens)
        if episode is not None:
            env.restore(episode)
        return env

    def inspect(self, episode: Episode) -> Inspection:
        """Run the intervener without the accepted answers; an invalid hint is rejected."""

        def check_hint(hint: str) -> Fault | None:
            return next(faults(hint, episode), None)

        seen = self.intervener.inspect(replace(episode, problem=replace(episode.problem, answers=())), check_hint)
        if seen.finding is None or seen.finding.confidence < self.confidence_floor:
            return replace(seen, finding=None, hint=None)
        fault = check_hint(seen.hint) if seen.hint is not None else None
        if fault is None:
            return seen
        rejected = RejectedHint(reason=fault.reason, trigger=seen.finding.trigger, text=seen.hint or "")
        return replace(seen, hint=None, rejected_hints=(*seen.rejected_hints, rejected))

    def hints_left(self, episode: Episode) -> int:
        """Return how many hints an episode may still get."""
        return max(0, self.max_interventions - len(episode.interventions))

    def may_hint(self, episode: Episode, finding: Finding) -> bool:
        """Return whether a hint may be given: some are left, and the last ones did not all fail to repair this flaw."""
        last = [one.finding.trigger for one in episode.interventions[-self.patience :]] if self.patience else []
        stuck = bool(last) and last == [finding.trigger] * self.patience
        return self.hints_left(episode) > 0 and not stuck


Supply = Callable[[], Parts]
"""A function that returns the parts. The nodes call it, so importing a graph opens nothing."""

_shared_sandbox = cache(open_sandbox)
_opening = threading.Lock()


def default_parts(model: str = "nano") -> Parts:
    """Return the parts for Studio: the local sandbox, and the reasoner of STORM_REASONER or else `model`."""
    with _opening:
        return _open_defaults(os.environ.get("STORM_REASONER") or model)


@cache
def _open_defaults(model: str) -> Parts:
    from storm_calm.agents.reasoners import open_reasoner

    return Parts(reasoner=open_reasoner(model), sandbox=_shared_sandbox(), streaming=True)
