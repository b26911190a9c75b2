"""`langgraph dev` with PostgreSQL: a person continues a thread of a server that was killed, at another one."""

from importlib.util import find_spec

import psycopg
import pytest
from langgraph_sdk import get_sync_client

from storm_calm.agents.graphs.golden import OUTCOMES
from storm_calm.env.problems.families import generate
from storm_calm.env.serialize import to_json
from support.langgraph_dev_server import DevServer
from support.postgres_server import PASSWORD

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("langgraph_api") is None, reason="needs the extra studio")]

CHECKPOINTER = "serving/studio_checkpoints.py:checkpoints"
(PROBLEM,) = generate(["knapsack"], split="heldout", seed=7, limit=1)


def rows(database):
    with psycopg.connect(database) as connection:
        return connection.execute("SELECT count(*) FROM checkpoints").fetchone()[0]


def test_a_person_continues_a_thread_of_a_killed_server_at_another_one(postgres, tmp_path):
    database = postgres.new_database("studio")

    def started(name):
        (tmp_path / name).mkdir()
        return DevServer(tmp_path / name / "log", CHECKPOINTER, STORM_DATABASE=database)

    question = {"problem": to_json(PROBLEM), "seed": 7}
    with started("first") as server, get_sync_client(url=server.url) as studio:
        thread = studio.threads.create()["thread_id"]
        state = studio.runs.wait(thread, "calm", input=question, context={"intervener": "person"})
        server.kill()
    with started("second") as server, get_sync_client(url=server.url) as studio:
        # The other server knows the checkpoints, but not that there is such a thread.
        studio.threads.create(thread_id=thread, graph_id="calm", if_exists="do_nothing")
        (shown,) = state["__interrupt__"]
        kept = studio.threads.get_state(thread)
        assert kept["interrupts"][0]["value"] == shown["value"]
        while "__interrupt__" in state:
            state = studio.runs.wait(thread, "calm", command={"resume": {"decision": "continue"}})
        assert state["outcome"] in OUTCOMES
        assert rows(database) > 0
        studio.threads.delete(thread)
        assert rows(database) == 0
    assert PASSWORD not in (tmp_path / "second" / "log").read_text()
