"""The parts of a state machine: a reasoner, a sandbox, an intervener, and limits.

Parts are not in the state or its checkpoints. Resume a trajectory with the same parts.
"""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from storm_calm.agents.graphs.hint_share import MAX_HINT_SHARE
from storm_calm.agents.interveners import Intervener, RulesIntervener
from storm_calm.agents.interveners.guard import Guard
from storm_calm.env import Episode, Reasoner, Sampling, SolverEnv
from storm_calm.sandbox import Sandbox, open_sandbox


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The parts of one state machine. Trajectories may share them."""

    reasoner: Reasoner
    sandbox: Sandbox
    intervener: Intervener = field(default_factory=RulesIntervener)
    guarded: bool = False
    """Whether the intervener watches STORM, too."""
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
    record: bool = True
    """Whether the solves of programs are recorded, so that plans can be checked."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Data files of programs by name. The question should mention them."""
    streaming: bool = False
    """Whether text is emitted while it is generated, for the stream mode "custom"."""

    def env(self, episode: Episode | None = None) -> SolverEnv:
        """Return an environment, restored to `episode` if given."""
        env = SolverEnv(
            self.sandbox,
            self.reasoner,
            max_executions=self.max_executions,
            max_tokens=self.max_tokens,
            record=self.record,
            files=self.files,
        )
        if episode is not None:
            env.restore(episode)
        return env

    @property
    def guard(self) -> Guard:
        """The intervener with its limits."""
        return Guard(
            intervener=self.intervener,
            max_interventions=self.max_interventions,
            confidence_floor=self.confidence_floor,
            patience=self.patience,
        )


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
