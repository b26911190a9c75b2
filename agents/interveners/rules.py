"""The rules intervener: the seven triggers by rules, hints from a list; no model, no key, no cost."""

from __future__ import annotations

from storm_calm.agents.interveners.hints import hint_for
from storm_calm.agents.interveners.inspection import CheckHint, Inspection
from storm_calm.agents.triggers import findings
from storm_calm.env.episode import Episode
from storm_calm.env.protocol import Protocol


class RulesIntervener:
    """Fires where a rule of `agents.triggers` finds something; what no rule sees, it lets pass."""

    name = "rules"

    def __init__(self, protocol: Protocol | None = None) -> None:
        """protocol: how code stands in the transcripts; inline by default."""
        self._protocol = protocol

    def inspect(self, episode: Episode, check_hint: CheckHint) -> Inspection:
        """The earliest finding, with a wording of its rule's hint; which one depends on the finding alone."""
        finding = next(iter(findings(episode, self._protocol)), None)
        if finding is None:
            return Inspection()
        return Inspection(finding=finding, hint=hint_for(finding.rule, f"{finding.evidence}/{finding.offset}"))
