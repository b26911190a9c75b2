"""What a machine is made of: a reasoner, a sandbox, an intervener, and the limits that it works within.

    graph = calm.build(lambda: Parts(reasoner=reasoner, sandbox=sandbox))

None of it is state, so none of it is in a checkpoint; whoever resumes a run brings the same parts again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

from storm_calm.agents.graphs.hint_share import MAX_HINT_SHARE
from storm_calm.agents.interveners import Fault, Inspection, Intervener, RejectedHint, RulesIntervener
from storm_calm.agents.interveners.leak_check import faults
from storm_calm.env import Episode, Finding, Inline, Protocol, Reasoner, Sampling, SolverEnv
from storm_calm.sandbox import Limits, Sandbox


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The parts of one machine. Any number of runs may share them."""

    reasoner: Reasoner
    """Who writes."""
    sandbox: Sandbox
    """Where programs run."""
    intervener: Intervener = field(default_factory=RulesIntervener)
    """Who watches; STORM has none and ignores it."""
    protocol: Protocol = field(default_factory=Inline)
    """How code and output stand in the text; the intervener must read the same one."""
    sampling: Sampling | None = None
    """How tokens are drawn, but for the seed; the reasoner's own way by default."""
    max_executions: int = 4
    """Programs that may run in one run."""
    max_tokens: int | None = None
    """Tokens of a whole transcript; the reasoner's context by default."""
    limits: Limits | None = None
    """Of each program; the sandbox's own by default."""
    max_interventions: int = 5
    """Hints that one run may get (5 in arXiv 2510.04204)."""
    max_hint_share: float = MAX_HINT_SHARE
    """The most that hints may make up of a golden run's model and hint tokens, in [0, 1]."""
    confidence_floor: float = 0.0
    """How sure a finder has to be for a finding to count, in [0, 1]."""
    patience: int = 0
    """After so many hints in a row for one kind of flaw that is found again, no more are given; 0 for any number."""
    streaming: bool = False
    """Whether text is handed on as it is written, to whoever streams the graph with mode "custom"."""

    def env(self, episode: Episode | None = None) -> SolverEnv:
        """An environment; with `episode`, one that goes on from there."""
        env = SolverEnv(
            self.sandbox,
            self.reasoner,
            protocol=self.protocol,
            max_executions=self.max_executions,
            max_tokens=self.max_tokens,
            limits=self.limits,
        )
        if episode is not None:
            env.restore(episode)
        return env

    def inspect(self, episode: Episode) -> Inspection:
        """What the intervener finds, the accepted answer kept from it; a hint that is not valid is rejected."""

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
        """Hints that a run may still get."""
        return max(0, self.max_interventions - len(episode.interventions))

    def may_hint(self, episode: Episode, finding: Finding) -> bool:
        """Whether a hint may be given for this finding: some are left, and the last ones did not fail to mend it."""
        last = [one.finding.trigger for one in episode.interventions[-self.patience :]] if self.patience else []
        stuck = bool(last) and len(last) == self.patience and set(last) == {finding.trigger}
        return self.hints_left(episode) > 0 and not stuck


Supply = Callable[[], Parts]
"""Gives the parts when the first node needs them, so that importing a graph opens nothing."""

_opening = threading.Lock()


def default_parts(model: str = "nano") -> Parts:
    """What Studio and `langgraph dev` use: the local sandbox, and the reasoner of STORM_REASONER, or else `model`."""
    with _opening:
        return _open_defaults(os.environ.get("STORM_REASONER") or model)


@cache
def _open_defaults(model: str) -> Parts:
    from storm_calm.agents.reasoners import open_reasoner

    return Parts(reasoner=open_reasoner(model), sandbox=_open_sandbox(), streaming=True)


@cache
def _open_sandbox() -> Sandbox:
    from storm_calm.sandbox import open_sandbox

    return open_sandbox()
