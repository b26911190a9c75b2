"""STORM solves a question with the same steps as the plain loop, and streams its events."""

import pytest

from storm_calm.agents.graphs import storm
from storm_calm.agents.graphs.components import Parts
from storm_calm.env import Episode, SolverEnv, run_episode
from storm_calm.env.plans import Examination
from storm_calm.env.serialize import from_json, to_json
from support.fake_reasoner import FakeReasoner, direct, overruling, silent, workshop


@pytest.fixture
def machine(sandbox):
    def machine(role, **parts):
        made = Parts(reasoner=FakeReasoner(role), sandbox=sandbox, **parts)
        return storm.build(lambda: made)

    return machine


def asked(hours):
    return {"messages": [{"role": "user", "content": workshop(hours).question}]}


def test_a_question_in_a_message_is_answered(machine):
    state = machine(direct).invoke(asked(14))
    assert state["answer"] == {"value": 42.0, "status": "number", "text": "42"}
    assert [message.type for message in state["messages"]] == ["human", "ai", "ai", "ai", "ai"]


def test_the_plan_is_examined_and_shown(machine):
    state = machine(direct).invoke(asked(14))
    found = from_json(Examination, state["examination"])
    assert (found.check.outcome, found.plan.objective) == ("passed", 42.0)
    shown = state["messages"][-1]
    assert shown.name == "examiner"
    assert "| `x` | 14 |" in shown.content
    assert "Checked: the plan keeps all limits of its model and has the objective 42." in shown.content


def test_an_answer_without_a_solve_has_no_examination(machine):
    assert machine(silent).invoke(asked(14))["examination"] is None


def test_transcript_equals_that_of_the_plain_loop(machine, sandbox):
    for role in (direct, overruling, silent):
        state = machine(role).invoke({"problem": to_json(workshop(14)), "seed": 3})
        alone = run_episode(SolverEnv(sandbox, FakeReasoner(role)), FakeReasoner(role), workshop(14), seed=3)
        assert from_json(Episode, state["episode"]).transcript == alone.transcript


def test_a_second_question_in_a_chat_starts_a_new_trajectory(machine):
    graph = machine(direct)
    first = graph.invoke(asked(14))
    second = graph.invoke({"messages": [*first["messages"], *asked(20)["messages"]]})
    assert second["answer"]["value"] == 60.0
    assert [message.type for message in second["messages"]] == ["human", "ai", "ai", "ai", "ai"] * 2
    assert second["messages"][1:5] == first["messages"][1:]


def test_text_is_streamed(machine):
    events = list(machine(direct, streaming=True).stream(asked(14), stream_mode="custom"))
    pieces = [event["text"] for event in events if event["source"] == "model"]
    assert len(pieces) > 100
    (tool,) = [event for event in events if event["source"] == "tool"]
    assert tool["text"] == "```output\n42.0\n```\n"
    assert tool["execution"]["reports"][0]["objective"] == 42.0
    assert "".join(pieces).endswith("\\boxed{42}.")


@pytest.mark.parametrize("question", [{}, {"messages": []}, {"messages": [{"role": "user", "content": "  "}]}])
def test_a_missing_question_is_an_error(machine, question):
    with pytest.raises(ValueError, match="no question"):
        machine(direct).invoke({"seed": 1, **question})
