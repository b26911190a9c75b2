"""The rules run first. If they find nothing, or are not sure, the LLM inspects the trajectory."""

import threading
import time
from dataclasses import dataclass, replace

import pytest

from storm_calm.agents.interveners import Cost, Inspection, RejectedHint, RulesIntervener
from storm_calm.agents.interveners.cancellable import CancellableIntervener
from storm_calm.agents.interveners.composite import Composite
from storm_calm.agents.interveners.open_intervener import open_intervener
from storm_calm.env import Finding, ReasonerError, SolverEnv, run_episode
from storm_calm.sandbox import RunCancelledError
from support.fake_intervener_server import FakeIntervenerServer
from support.fake_reasoner import FakeReasoner, by_hand, direct, workshop, wrong


@dataclass
class Saying:
    """An intervener with a fixed inspection, which counts its calls."""

    seen: Inspection
    name: str = "saying"
    asked: int = 0

    def inspect(self, episode, check_hint):
        self.asked += 1
        return self.seen


FOUND = Inspection(finding=Finding(trigger="manual_computation", offset=9, evidence="e", confidence=0.8), hint="Wait.")
NOTHING = Inspection(rejected_hints=(RejectedHint(reason="quote"),), cost=Cost(calls=1, price=0.5))
LEFT = Inspection(rejected_hints=(RejectedHint(reason="format"),), cost=Cost(calls=2, cached=1), usable=False)


@pytest.mark.parametrize(("floor", "asked"), [(0.0, 0), (0.8, 0), (0.9, 1)])
def test_the_second_intervener_runs_only_without_a_confident_first_finding(floor, asked):
    second = Saying(LEFT)
    Composite(Saying(FOUND), second, floor=floor).inspect(None, None)
    assert second.asked == asked


def test_rejected_hints_and_costs_of_both_add_up():
    seen = Composite(Saying(NOTHING), Saying(LEFT)).inspect(None, None)
    assert [rejected.reason for rejected in seen.rejected_hints] == ["quote", "format"]
    assert (seen.cost, seen.usable) == (Cost(calls=3, cached=1, price=0.5), False)


def test_the_llm_inspects_only_trajectories_without_a_rule_finding(sandbox):
    with FakeIntervenerServer() as judge, open_intervener("rules+llm", url=judge.url) as both:
        assert both.name == "rules+llm"
        for role, finder in ((by_hand, "rules"), (wrong, "llm"), (direct, None)):
            episode = run_episode(SolverEnv(sandbox, FakeReasoner(role)), FakeReasoner(role), workshop(14))
            finding = both.inspect(episode, lambda hint: None).finding
            assert (finding and finding.finder) == finder
        assert judge.answered == 2


def test_open_intervener_returns_the_named_one():
    with open_intervener("rules") as rules:
        assert isinstance(rules, RulesIntervener)


def test_waiting_for_a_silent_intervener_can_be_cancelled(sandbox):
    episode = run_episode(SolverEnv(sandbox, FakeReasoner(direct)), FakeReasoner(direct), workshop(14))
    with FakeIntervenerServer(lambda look: "silence") as judge, open_intervener("llm", url=judge.url) as llm:
        cancellable = CancellableIntervener(llm)
        threading.Timer(0.3, cancellable.cancel).start()
        started = time.monotonic()
        with pytest.raises(RunCancelledError):
            cancellable.inspect(episode, lambda hint: None)
        assert time.monotonic() - started < 60, "the endpoint is silent for longer"
        asked = sum(judge.requests.values())
        with pytest.raises(RunCancelledError):
            cancellable.inspect(episode, lambda hint: None)
        assert sum(judge.requests.values()) == asked == 1


@pytest.mark.parametrize("error", [ReasonerError("down"), TimeoutError("late"), KeyError("ours")])
def test_a_cancellable_intervener_passes_on_results_and_errors(error):
    class Raising(Saying):
        def inspect(self, episode, check_hint):
            raise error

    with pytest.raises(type(error)) as raised:
        CancellableIntervener(Raising(FOUND)).inspect(None, None)
    assert raised.value is error
    assert CancellableIntervener(Saying(replace(FOUND, hint=None))).inspect(None, None) == replace(FOUND, hint=None)
