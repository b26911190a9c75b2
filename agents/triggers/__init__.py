"""The seven triggers as rules over the evidence of an episode.

    findings(episode)        # every finding, the earliest first

Flaws that need understanding, such as a wrong objective with the right sense, are left to an LLM or a person.
"""

from collections.abc import Callable, Iterator

from storm_calm.agents.triggers.code_use import by_hand, fragment, imagined_output
from storm_calm.agents.triggers.data_use import misread_number, missing_constraint
from storm_calm.agents.triggers.evidence import Evidence, gather
from storm_calm.agents.triggers.failures import gave_up, invented_call
from storm_calm.agents.triggers.formulas import invented_limit, sense_in_words, turned_in_program, turned_limit
from storm_calm.agents.triggers.modelling import left_out_data, wrong_sense, wrong_type
from storm_calm.agents.triggers.names import TRIGGER_OF
from storm_calm.agents.triggers.resources import mixed_resource
from storm_calm.agents.triggers.results import (
    boxed_plan,
    overruled,
    rejected_result,
    same_again,
    status_ignored,
    unmended_error,
)
from storm_calm.agents.triggers.shares import share_of_one
from storm_calm.agents.triggers.solved_model import fractional_plan, subtours
from storm_calm.env.episode import Episode
from storm_calm.env.intervention import Finding

__all__ = ["RULES", "TRIGGER_OF", "findings"]

Rule = Callable[[Evidence], Iterator[Finding]]

# The order breaks ties: a misread number also looks like a missing constraint, and the first rule wins.
RULES: tuple[Rule, ...] = (
    by_hand, imagined_output, fragment, wrong_sense, misread_number, missing_constraint, wrong_type, status_ignored,
    unmended_error, overruled, rejected_result, sense_in_words, turned_limit, share_of_one, mixed_resource,
    invented_limit, turned_in_program, invented_call, gave_up, boxed_plan, same_again, left_out_data,
    fractional_plan, subtours,
)  # fmt: skip


def findings(episode: Episode) -> list[Finding]:
    """Return the findings of all rules in a finished or unfinished episode, the earliest first."""
    evidence = gather(episode)
    found = [finding for rule in RULES for finding in rule(evidence)]
    return sorted(found, key=lambda finding: finding.offset)
