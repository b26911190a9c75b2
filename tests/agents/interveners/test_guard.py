"""The guard watches a trajectory while it is generated."""

import pytest

from storm_calm.agents.graphs import storm
from storm_calm.agents.graphs.components import Parts
from storm_calm.agents.interveners import Inspection
from storm_calm.agents.interveners.guard import Guard
from storm_calm.env import ReasonerError, SolverEnv, read_answer, run_episode
from support.fake_reasoner import FakeReasoner, by_hand, direct, overruling, stubborn, workshop


def run(sandbox, role, guard):
    reasoner = FakeReasoner(role)
    watch = None if guard is None else guard.intervene
    return run_episode(SolverEnv(sandbox, reasoner), reasoner, workshop(9), watch=watch)


@pytest.mark.parametrize("role", [by_hand, overruling])
def test_a_flaw_gets_a_hint_and_the_model_continues_from_there(sandbox, role):
    assert read_answer(run(sandbox, role, None).transcript).value == 7.0
    episode = run(sandbox, role, Guard())
    assert read_answer(episode.transcript).value == 27.0
    assert len(episode.interventions) == 1
    assert episode.stop == "answer"


def test_a_flawless_trajectory_is_unchanged(sandbox):
    assert run(sandbox, direct, Guard()).transcript == run(sandbox, direct, None).transcript


@pytest.mark.parametrize("most", [0, 1, 2])
def test_hints_are_limited(sandbox, most):
    episode = run(sandbox, stubborn, Guard(max_interventions=most))
    assert len(episode.interventions) == most
    assert episode.stop == "answer"


def test_the_model_continues_without_a_hint_if_the_intervener_cannot_be_reached(sandbox, caplog):
    class Unreachable:
        name = "llm"

        def inspect(self, episode, check_hint):
            raise ReasonerError("http://127.0.0.1:9 cannot be reached")

    episode = run(sandbox, by_hand, Guard(intervener=Unreachable()))
    assert (episode.stop, episode.interventions) == ("answer", ())
    assert "the guard's intervener failed" in caplog.text


def test_the_intervener_never_sees_the_accepted_answers(sandbox):
    seen = []

    class Spy:
        name = "spy"

        def inspect(self, episode, check_hint):
            seen.append(episode.problem.answers)
            return Inspection()

    run(sandbox, direct, Guard(intervener=Spy()))
    assert set(seen) == {()}


@pytest.mark.parametrize(("guarded", "answer"), [(True, 27.0), (False, 7.0)])
def test_storm_can_be_guarded(sandbox, guarded, answer):
    parts = Parts(reasoner=FakeReasoner(by_hand), sandbox=sandbox, guarded=guarded)
    question = {"messages": [{"role": "user", "content": workshop(9).question}]}
    graph = storm.build(lambda: parts)
    events = []
    for mode, event in graph.stream(question, stream_mode=["custom", "values"]):
        events += [event] if mode == "custom" else []
        state = event if mode == "values" else None
    assert state["answer"]["value"] == answer
    assert [event["trigger"] for event in events if event["source"] == "hint"] == ["manual_computation"] * guarded
