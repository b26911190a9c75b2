"""The seven triggers as rules: each looks at the evidence and yields what it finds.

    findings(episode)        # every finding, the earliest first

What no rule sees (a wrong objective with the right sense, a constraint that no number gives away) is left to an
intervener that reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from storm_calm.agents.triggers.code_use import by_hand, fragment, imagined_output
from storm_calm.agents.triggers.data_use import misread_number, missing_constraint
from storm_calm.agents.triggers.evidence import Evidence, gather
from storm_calm.agents.triggers.modelling import wrong_sense, wrong_type
from storm_calm.agents.triggers.names import TRIGGER_OF
from storm_calm.agents.triggers.results import overruled, status_ignored, unmended_error
from storm_calm.env.episode import Episode
from storm_calm.env.intervention import Finding
from storm_calm.env.protocol import Protocol

__all__ = ["RULES", "TRIGGER_OF", "findings"]

Rule = Callable[[Evidence], Iterator[Finding]]

# Where two rules find something at the same place, the earlier one here is believed: a misread number also looks like a
# missing limit.
RULES: tuple[Rule, ...] = (
    by_hand,
    imagined_output,
    fragment,
    wrong_sense,
    misread_number,
    missing_constraint,
    wrong_type,
    status_ignored,
    unmended_error,
    overruled,
)
"""Every rule; its name is its function's."""


def findings(episode: Episode, protocol: Protocol | None = None) -> list[Finding]:
    """What the rules find in an episode, finished or not, the earliest first."""
    evidence = gather(episode, protocol)
    found = [finding for rule in RULES for finding in rule(evidence)]
    return sorted(found, key=lambda finding: finding.offset)
