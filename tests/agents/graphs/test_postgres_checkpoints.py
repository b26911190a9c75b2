"""Checkpoints in a real PostgreSQL: threads of people continue elsewhere, and leave nothing behind."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from langgraph.types import Command

from storm_calm.agents.graphs import calm, storm
from storm_calm.agents.graphs.components import Parts
from storm_calm.agents.graphs.postgres_checkpoints import open_async_postgres_checkpoints, open_postgres_checkpoints
from storm_calm.agents.runs.database_url import read_database_url
from storm_calm.env.serialize import to_json
from support.fake_reasoner import FakeReasoner, by_hand, overruling, workshop

pytestmark = pytest.mark.slow

DOUBT = {
    "decision": "intervene",
    "trigger": "solver_distrust",
    "quote": "That does not look right",
    "hint": "Wait, the solver proved this optimal. I should report it.",
}
THREAD = {"configurable": {"thread_id": "a"}}


@pytest.fixture
def url(postgres, request):
    """Return the URL of an empty database."""
    return read_database_url(postgres.new_database(f"checkpoints_{abs(hash(request.node.name))}"), "STORM_DATABASE")


def count_rows(url):
    with psycopg.connect(url.secret) as connection:
        tables = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
        return sum(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)


def test_a_person_continues_a_thread_after_a_restart_of_all(sandbox, url, postgres):
    def opened(checkpoints):
        parts = Parts(reasoner=FakeReasoner(overruling), sandbox=sandbox)
        return calm.build(lambda: parts, checkpointer=checkpoints)

    question = {"problem": to_json(workshop(14)), "seed": 7}
    with open_postgres_checkpoints(url) as checkpoints:
        state = opened(checkpoints).invoke(question, THREAD, context={"intervener": "person"}, durability="sync")
    # A crash of the database, and another process later.
    postgres.stop("immediate")
    postgres.start()
    with open_postgres_checkpoints(url) as checkpoints:
        graph = opened(checkpoints)
        shown = graph.get_state(THREAD).interrupts[0].value
        assert shown == state["__interrupt__"][0].value
        while "__interrupt__" in state:
            form = DOUBT if DOUBT["quote"] in state["__interrupt__"][0].value["text"] else {"decision": "continue"}
            state = graph.invoke(Command(resume=form), THREAD, durability="sync")
        assert state["outcome"] == "golden"
        assert [one["finding"]["rule"] for one in state["episode"]["interventions"]] == ["person"]
        # A restart while it is open: the pool connects again.
        postgres.stop()
        postgres.start()
        assert graph.get_state(THREAD).values["outcome"] == "golden"
        assert count_rows(url) > 0
        checkpoints.delete_thread("a")
        assert count_rows(url) == 0


def test_tables_are_set_up_by_several_processes_at_once(url):
    def use(number):
        with open_postgres_checkpoints(url) as checkpoints:
            return list(checkpoints.list({"configurable": {"thread_id": str(number)}}))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, range(4))) == [[]] * 4
    with psycopg.connect(url.secret) as connection:
        rows = connection.execute("SELECT v, count(*) FROM checkpoint_migrations GROUP BY v").fetchall()
    assert {count for _, count in rows} == {1}


def test_a_thread_of_an_event_loop_keeps_its_messages(sandbox, url, caplog, recwarn):
    parts = Parts(reasoner=FakeReasoner(by_hand), sandbox=sandbox)
    question = {"messages": [{"role": "user", "content": workshop(14).question}]}

    async def use():
        async with open_async_postgres_checkpoints(url) as checkpoints:
            graph = storm.build(lambda: parts, checkpointer=checkpoints)
            ended = await graph.ainvoke(question, THREAD)
            kept = (await graph.aget_state(THREAD)).values
            await checkpoints.adelete_thread("a")
        return ended, kept

    ended, kept = asyncio.run(use())
    assert [message.content for message in kept["messages"]] == [message.content for message in ended["messages"]]
    assert type(kept["episode"]) is dict
    assert [warning for warning in recwarn if "eserializ" in str(warning.message)] == []
    assert "eserializ" not in caplog.text
    assert count_rows(url) == 0


def test_only_plain_values_are_restored(url):
    with open_postgres_checkpoints(url) as checkpoints:
        # A writer of the database could name any class.
        restored = checkpoints.serde.loads_typed(checkpoints.serde.dumps_typed({"a": workshop(14), "b": {1, 2}}))
    assert type(restored["a"]) is not type(workshop(14))
    assert restored["b"] == {1, 2}


def test_a_database_that_cannot_be_used_is_an_error_without_the_password(postgres):
    for url in (postgres.url + "_missing", postgres.url.replace("4711", "4712")):
        with (
            pytest.raises(ValueError, match=r"storm:\*\*\*@127.0.0.1.* cannot be used") as caught,
            open_postgres_checkpoints(read_database_url(url, "STORM_DATABASE")),
        ):
            pass
        assert "not-for-logs" not in str(caught.value)
