"""The accuracy on variants and tasks of generated problems."""

from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.results import work_out
from storm_calm.env import Problem


def groups(*names):
    problems = [
        Problem(id=f"{name}-60-0123456789ab", question="?", answers=(1.0,), source="generated", family="facility")
        for name in names
    ]
    return work_out(EvalConfig(families=("facility",)), problems, []).groups


def test_variants_are_a_grouping_unless_all_problems_are_originals():
    assert "by_variant" in groups("facility", "facility-wording")
    assert "by_variant" in groups("facility-revise-number")
    assert "by_variant" not in groups("facility")
