"""Seven triggers in two classes, and validated findings."""

import pytest

from storm_calm.env import TRIGGER_CLASS, TRIGGERS, Finding, Intervention
from storm_calm.env.serialize import from_json, to_json


def test_triggers_have_their_classes():
    assert list(TRIGGER_CLASS) == list(TRIGGERS)
    assert list(TRIGGER_CLASS.values()) == ["code_utilization_distrust"] * 3 + ["lack_of_or_expertise"] * 4


@pytest.mark.parametrize("bad", [{"trigger": "mood"}, {"confidence": 1.1}, {"offset": -1}])
def test_an_invalid_finding_is_an_error(bad):
    with pytest.raises(ValueError, match=str(next(iter(bad.values())))):
        Finding(**{"trigger": "solver_distrust", "offset": 0, "evidence": "", **bad})


def test_an_intervention_round_trips():
    finding = Finding(trigger="missing_constraint", offset=3, evidence="no limit", confidence=0.5)
    intervention = Intervention(finding=finding, hint="Wait.", cut=2, removed="x")
    assert from_json(Intervention, to_json(intervention)) == intervention
