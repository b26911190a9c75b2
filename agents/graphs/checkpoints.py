"""Checkpoints of trajectories in a SQLite file, one thread id per trajectory.

    from storm_calm.env.serialize import to_json

    with open_checkpoints(folder / "checkpoints.sqlite") as checkpoints:
        graph = calm.build(supply, checkpointer=checkpoints)
        run_graph(graph, thread=problem.id, question={"problem": to_json(problem)})

The same call starts a trajectory, resumes it after a crash, or returns the stored result if it has finished.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph.state import CompiledStateGraph

MAX_STEPS = 10_000
"""LangGraph's recursion limit, in nodes; the limits on tokens and executions are reached long before."""


@contextmanager
def open_checkpoints(path: Path) -> Iterator[SqliteSaver]:
    """Open the checkpoints of a file. Thread-safe."""
    with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
        # The saver turns on the write-ahead log, so a killed process loses no commits and no commit waits for the disk.
        # A power failure may lose the last steps, which then run again.
        connection.execute("PRAGMA synchronous=NORMAL")
        yield SqliteSaver(connection)


def stored_threads(checkpoints: SqliteSaver) -> list[str]:
    """Return the trajectories that have checkpoints."""
    checkpoints.setup()
    return [thread for (thread,) in checkpoints.conn.execute("SELECT DISTINCT thread_id FROM checkpoints")]


def run_graph(graph: CompiledStateGraph, *, thread: str, question: Mapping[str, Any]) -> dict[str, Any]:
    """Return the final state of a trajectory: start it with `question`, resume it, or read it if it has finished."""
    config: RunnableConfig = {"configurable": {"thread_id": thread}, "recursion_limit": MAX_STEPS}
    stored = graph.get_state(config)
    # `stored.next` would leave out a node that was killed between its work and its checkpoint.
    if stored.values and not stored.tasks:
        return dict(stored.values)
    # "sync" writes the result of a node before the next one starts.
    return dict(graph.invoke(None if stored.tasks else question, config, durability="sync"))
