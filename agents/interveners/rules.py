"""The rules intervener: findings by rules, hints from a list; it needs no model and costs nothing."""

from storm_calm.agents.interveners.hints import hint_for
from storm_calm.agents.interveners.inspection import CheckHint, Inspection
from storm_calm.agents.triggers import findings
from storm_calm.env.episode import Episode


class RulesIntervener:
    """An intervener that reports the findings of `agents.triggers`."""

    name = "rules"

    def inspect(self, episode: Episode, check_hint: CheckHint) -> Inspection:
        """Return the earliest finding with a hint of its rule. The wording depends on the finding alone."""
        finding = next(iter(findings(episode)), None)
        if finding is None:
            return Inspection()
        return Inspection(finding=finding, hint=hint_for(finding.rule, f"{finding.evidence}/{finding.offset}"))
