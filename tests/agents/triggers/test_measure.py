"""Measuring an intervener: found, false, missed and located flaws, and the resulting shares."""

import pytest

from storm_calm.agents.detectors.labelled_traces import LabelledTrace
from storm_calm.agents.detectors.measure import measure, measurement_to_json
from storm_calm.agents.interveners import Cost, Inspection, RulesIntervener
from storm_calm.env import Episode, Finding, Problem, Span, Transcript

pytestmark = pytest.mark.slow

PROMPT = "<|im_start|>user\nHow much?<|im_end|>\n<|im_start|>assistant\n<think>\n"


def trace(name, trigger, place=None):
    """Return a labelled trace without programs, identified by its name."""
    spans = (Span(source="prompt", text=PROMPT), Span(source="model", text="Let me do it by hand.\n", finish="end"))
    problem = Problem(id=name, question="How much?", answers=(7.0,))
    episode = Episode(problem=problem, transcript=Transcript(spans=spans), stop="malformed")
    if trigger is not None and place is None:
        place = (len(PROMPT), len(PROMPT) + 21)
    return LabelledTrace(id=name, episode=episode, trigger=trigger, place=place, why=f"why {name}")


class Scripted:
    """An intervener with a scripted finding for each trace."""

    name = "scripted"

    def __init__(self, findings):
        self.findings = findings
        self.answers = []

    def inspect(self, episode, check_hint):
        self.answers.append(episode.problem.answers)
        assert check_hint("Wait, the answer is 7.") is None
        findings = self.findings.get(episode.problem.id)
        if findings == "unusable":
            return Inspection(usable=False, cost=Cost(calls=2))
        if findings is None:
            return Inspection(cost=Cost(calls=1))
        trigger, offset = findings
        finding = Finding(trigger=trigger, offset=len(PROMPT) + offset, evidence="words")
        return Inspection(finding=finding, hint=None, cost=Cost(calls=1, price=0.5))


@pytest.fixture(scope="module")
def measured():
    """Two triggers, every verdict."""
    traces = [
        trace("right", "solver_distrust"),
        trace("elsewhere", "solver_distrust"),
        trace("silent", "solver_distrust"),
        trace("unusable", "fragmented_code"),
        trace("other", "fragmented_code"),
        trace("alarm", None),
        trace("clean", None),
    ]
    findings = {
        "right": ("solver_distrust", 0),
        "elsewhere": ("solver_distrust", 22),
        "unusable": "unusable",
        "other": ("solver_distrust", 0),
        "alarm": ("manual_computation", 0),
    }
    return measure(traces, Scripted(findings))


def test_every_trace_gets_one_verdict(measured):
    assert {one.id: one.verdict for one in measured.judged} == {
        "right": "found", "elsewhere": "found", "silent": "missed", "unusable": "missed", "other": "wrong",
        "alarm": "false", "clean": "quiet",
    }  # fmt: skip
    assert [one.id for one in measured.those("wrong", "false")] == ["other", "alarm"]
    assert measured.clean == 2


def test_counts_of_a_trigger_cover_named_and_labelled_traces(measured):
    distrust = measured.by_trigger["solver_distrust"]
    assert (distrust.found, distrust.false, distrust.missed, distrust.located) == (2, 1, 1, 1)
    fragmented = measured.by_trigger["fragmented_code"]
    assert (fragmented.found, fragmented.false, fragmented.missed) == (0, 0, 2)
    assert (measured.all.found, measured.all.false, measured.all.missed) == (2, 2, 3)


def test_shares_have_wilson_intervals_or_are_none(measured):
    distrust = measured.by_trigger["solver_distrust"]
    assert distrust.precision == distrust.recall
    assert distrust.precision.mean == pytest.approx(2 / 3)
    # Wilson's interval for 2 of 3, from its formula with z = 1.959964.
    assert distrust.precision.low == pytest.approx(0.2077, abs=1e-4)
    assert distrust.precision.high == pytest.approx(0.9385, abs=1e-4)
    assert measured.by_trigger["fragmented_code"].precision is None
    assert measured.by_trigger["fragmented_code"].recall.mean == 0
    assert measured.by_trigger["manual_computation"].recall is None


def test_inspection_costs_are_summed(measured):
    assert measured.cost == Cost(calls=8, price=2.0)


def test_the_intervener_never_sees_an_answer():
    scripted = Scripted({})
    measure([trace("one", None)], scripted)
    assert scripted.answers == [()]


def test_progress_is_reported_after_each_trace():
    seen = []
    traces = [trace("right", "solver_distrust"), trace("clean", None)]
    measure(traces, Scripted({"right": ("solver_distrust", 0)}), total=2, on_progress=seen.append)
    assert [(one.done, one.in_flight, one.counts["found"], one.counts["wrong"]) for one in seen] == [
        (1, 1, 1, 0),
        (2, 0, 1, 0),
    ]


def test_json_data_has_figures_and_every_verdict(measured):
    facts = measurement_to_json(measured)
    assert (facts["traces"], facts["clean"], facts["false_alarms"], facts["unjudged"]) == (7, 2, 1, 1)
    assert facts["all"]["precision"]["mean"] == 0.5
    assert facts["triggers"]["manual_computation"] == {
        "found": 0, "false": 1, "missed": 0, "located": 0,
        "precision": {"mean": 0.0, "low": 0.0, "high": 0.793451}, "recall": None,
    }  # fmt: skip
    alarm = next(one for one in facts["judged"] if one["id"] == "alarm")
    assert (alarm["trigger"], alarm["verdict"], alarm["finding"]["evidence"]) == (None, "false", "words")


def test_the_rules_are_measured_like_any_intervener():
    measured = measure(
        [trace("hand", "manual_computation"), trace("late", "manual_computation", (0, 1))], RulesIntervener()
    )
    assert (measured.all.found, measured.all.located, measured.all.missed) == (2, 1, 0)
    assert measured.cost == Cost()
