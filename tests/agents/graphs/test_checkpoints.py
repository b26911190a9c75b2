"""An interrupted trajectory resumes from its checkpoint and ends the same."""

import pytest

from storm_calm.agents.graphs import calm
from storm_calm.agents.graphs.checkpoints import open_checkpoints, run_graph
from storm_calm.agents.graphs.components import Parts
from storm_calm.env.serialize import to_json
from support.fake_reasoner import FakeReasoner, by_hand, workshop

QUESTION = {"problem": to_json(workshop(14)), "seed": 7}


class Interrupted(Exception):
    """Any interruption of a trajectory."""


class Fragile(FakeReasoner):
    """A reasoner that fails once, before a segment."""

    def __init__(self, role, *, before):
        super().__init__(role)
        self.left = before
        self.segments = 0

    def stream(self, *args, **settings):
        self.left -= 1
        if self.left == -1:
            raise Interrupted
        self.segments += 1
        return super().stream(*args, **settings)


@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_trajectory_resumes_at_the_interrupted_segment(sandbox, tmp_path, before):
    parts = Parts(reasoner=FakeReasoner(by_hand), sandbox=sandbox)
    whole = calm.build(lambda: parts).invoke(QUESTION)
    fragile = Parts(reasoner=Fragile(by_hand, before=before), sandbox=sandbox)
    with open_checkpoints(tmp_path / "runs.sqlite") as checkpoints, pytest.raises(Interrupted):
        run_graph(calm.build(lambda: fragile, checkpointer=checkpoints), thread="a", question=QUESTION)
    with open_checkpoints(tmp_path / "runs.sqlite") as checkpoints:
        graph = calm.build(lambda: fragile, checkpointer=checkpoints)
        state = run_graph(graph, thread="a", question=QUESTION)
        assert fragile.reasoner.segments == 3
        assert run_graph(graph, thread="a", question=QUESTION) == state
        assert fragile.reasoner.segments == 3
    assert state["outcome"] == whole["outcome"] == "golden"
    assert state["episode"]["transcript"] == whole["episode"]["transcript"]


def test_checkpoints_hold_plain_data(sandbox, tmp_path, caplog, recwarn):
    parts = Parts(reasoner=FakeReasoner(by_hand), sandbox=sandbox)
    with open_checkpoints(tmp_path / "runs.sqlite") as checkpoints:
        graph = calm.build(lambda: parts, checkpointer=checkpoints)
        run_graph(graph, thread="a", question=QUESTION)
        kept = graph.get_state({"configurable": {"thread_id": "a"}}).values
    assert type(kept["episode"]) is dict
    assert [warning for warning in recwarn if "eserializ" in str(warning.message)] == []
    assert "eserializ" not in caplog.text
