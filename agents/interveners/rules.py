"""The rules intervener: findings by rules, hints from a list; it needs no model and costs nothing."""

import re

from storm_calm.agents.interveners.hints import HINTS, hint_for
from storm_calm.agents.interveners.inspection import CheckHint, Inspection
from storm_calm.agents.interveners.plain_hints import TRIGGER_HINTS, plain_hint
from storm_calm.agents.triggers import findings
from storm_calm.env.episode import Episode
from storm_calm.env.intervention import Finding

EXPLAINS_PROTOCOL = re.compile(r"```python|run_python")
"""Words in a prompt that explain how to run a program."""


class RulesIntervener:
    """An intervener that reports the findings of `agents.triggers`."""

    name = "rules"

    def inspect(self, episode: Episode, check_hint: CheckHint) -> Inspection:
        """Return the earliest finding with a hint of its rule. The same episode gets the same wording."""
        finding = next(iter(findings(episode)), None)
        if finding is None:
            return Inspection()
        hint = rule_hint(finding, episode)
        # A hint that quotes the question may have the answer in it, or a "you".
        return Inspection(finding=finding, hint=hint if check_hint(hint) is None else TRIGGER_HINTS[finding.trigger])


def rule_hint(finding: Finding, episode: Episode) -> str:
    """Return the hint for a finding, in the words that the model was trained on, or else in plain words.

    For a finding of an LLM or a person it is the hint of the trigger.
    """
    if finding.rule in HINTS and knows_hints(episode):
        return hint_for(finding.rule, f"{finding.evidence}/{finding.offset}")
    return plain_hint(finding, episode) if finding.finder == "rules" else TRIGGER_HINTS[finding.trigger]


def knows_hints(episode: Episode) -> bool:
    """Return whether the model was trained on protocol and hints, as nano was: its prompt explains no protocol.

    `SolverEnv` leaves out the help on errors for the same models.
    """
    transcript = episode.transcript
    before, _, _ = transcript.text[: transcript.prompt_end].partition(episode.problem.question[:80])
    return not EXPLAINS_PROTOCOL.search(before)
