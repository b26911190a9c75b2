"""The trigger of each rule."""

from storm_calm.agents.triggers.evidence import Turn
from storm_calm.env.intervention import Finding, Trigger

TRIGGER_OF: dict[str, Trigger] = {
    "by_hand": "manual_computation",
    "fragment": "fragmented_code",
    "imagined_output": "fragmented_code",
    "overruled": "solver_distrust",
    "rejected_result": "solver_distrust",
    "boxed_plan": "solver_distrust",
    "wrong_sense": "wrong_formulation",
    "missing_constraint": "missing_constraint",
    "wrong_type": "wrong_variable_type",
    "misread_number": "implementation_drift",
    "status_ignored": "implementation_drift",
    "unmended_error": "implementation_drift",
    "turned_limit": "missing_constraint",
    "invented_limit": "missing_constraint",
    "share_of_one": "missing_constraint",
    "mixed_resource": "missing_constraint",
    "turned_in_program": "implementation_drift",
    "sense_in_words": "wrong_formulation",
    "left_out_data": "wrong_formulation",
    "invented_call": "implementation_drift",
    "gave_up": "implementation_drift",
    "same_again": "implementation_drift",
    "fractional_plan": "wrong_variable_type",
    "subtours": "missing_constraint",
}


def finding(rule: str, turn: Turn, at: int, evidence: str, confidence: float = 1.0) -> Finding:
    """Return a finding of this rule, `at` characters into the turn's text."""
    return Finding(
        trigger=TRIGGER_OF[rule], rule=rule, offset=turn.start + at, evidence=evidence, confidence=confidence
    )
