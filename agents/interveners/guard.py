"""Watch a trajectory while it is generated, and give the model a hint at the first flaw.

    guard = Guard()
    run_episode(env, reasoner, problem, watch=guard.intervene)

Curation and the served agent share it. The intervener never sees the accepted answers, and every hint is validated
before it is used (`agents.interveners.leak_check`).
"""

import logging
from dataclasses import dataclass, field, replace

from storm_calm.agents.interveners import Fault, Inspection, Intervener, RejectedHint, RulesIntervener
from storm_calm.agents.interveners.leak_check import faults
from storm_calm.env import Episode, Finding, Intervention, ReasonerError, SolverEnv

log = logging.getLogger("storm")


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """An intervener with its limits."""

    intervener: Intervener = field(default_factory=RulesIntervener)
    max_interventions: int = 3
    """Hints per trajectory."""
    confidence_floor: float = 0.0
    """Confidence in [0, 1] below which findings are ignored."""
    patience: int = 0
    """Hints in a row for the same trigger after which no more are given for it; 0 is unlimited."""

    def inspect(self, episode: Episode) -> Inspection:
        """Run the intervener without the accepted answers; an invalid hint is rejected.

        A trajectory without model text has no flaw.
        """
        if all(span.source == "prompt" for span in episode.transcript.spans):
            return Inspection()

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

    def intervene(self, env: SolverEnv) -> Intervention | None:
        """Inspect the episode in `env`; at a flaw, cut it there and add a hint. Return the intervention, if any.

        If the intervener's endpoint fails, the model continues without a hint.
        """
        episode = env.episode
        if episode.stop == "infrastructure" or not self.hints_left(episode):
            return None
        try:
            seen = self.inspect(episode)
        except ReasonerError as error:
            log.warning("the guard's intervener failed: %s", error)
            return None
        if seen.finding is None or seen.hint is None or not self.may_hint(episode, seen.finding):
            return None
        return env.intervene(seen.finding, seen.hint)
