"""Where runs are kept while they go on: a SQLite file, a thread for each run.

    from storm_calm.env.serialize import to_json

    with open_checkpoints(folder / "checkpoints.sqlite") as checkpoints:
        graph = calm.build(supply, checkpointer=checkpoints)
        run_graph(graph, thread=problem.id, question={"problem": to_json(problem)})

The same call begins a run, goes on with it after a kill, and gives its end once it has come to one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph.state import CompiledStateGraph

MAX_STEPS = 10_000
"""Nodes that one run may go through; tokens and programs run out long before."""


@contextmanager
def open_checkpoints(path: Path) -> Iterator[SqliteSaver]:
    """The file's checkpoints; any number of threads may use them at once."""
    with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
        # With the write-ahead log that the saver turns on, a killed process loses nothing that was committed, and no
        # commit waits for the disk. What a power failure may take are the last steps, which are then walked again.
        connection.execute("PRAGMA synchronous=NORMAL")
        yield SqliteSaver(connection)


def run_graph(graph: CompiledStateGraph, *, thread: str, question: Mapping[str, Any]) -> dict[str, Any]:
    """The final state of a run: begun with `question`, gone on with, or already at its end, as its thread has it."""
    config: RunnableConfig = {"configurable": {"thread_id": thread}, "recursion_limit": MAX_STEPS}
    kept = graph.get_state(config)
    # Not `kept.next`: it leaves out a node that a kill caught between its work and the checkpoint after it.
    if kept.values and not kept.tasks:
        return dict(kept.values)
    # Only with "sync" is a node's work on file before the next begins.
    return dict(graph.invoke(None if kept.tasks else question, config, durability="sync"))
