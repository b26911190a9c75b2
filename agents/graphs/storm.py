"""STORM, the machine that solves: reason -> execute -> reason -> ... -> answer.

    graph = build(lambda: Parts(reasoner=reasoner, sandbox=sandbox))
    graph.invoke({"messages": [{"role": "user", "content": "A workshop makes ..."}]})["answer"]

What serving, Studio and `storm solve` run. It is `env.run_episode` as a graph. Servers have its nodes wait on an event
loop (`agents.graphs.storm_async`).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from storm_calm.agents.graphs import nodes
from storm_calm.agents.graphs.components import Supply, default_parts
from storm_calm.agents.graphs.state import Question, State


def build(supply: Supply = default_parts, *, checkpointer: Any = None) -> CompiledStateGraph:
    """The machine. supply: gives its parts. checkpointer: keeps the state, for runs that go on after a kill."""
    return wire(
        start=partial(nodes.start, supply),
        reason=partial(nodes.reason, supply),
        execute=partial(nodes.execute, supply),
        checkpointer=checkpointer,
    )


def wire(*, start: Any, reason: Any, execute: Any, checkpointer: Any = None) -> CompiledStateGraph:
    """The machine out of its nodes."""
    graph = StateGraph(State, input_schema=Question)
    graph.add_node("start", start)
    graph.add_node("reason", reason)
    graph.add_node("execute", execute)
    graph.add_node("answer", nodes.answer)
    graph.add_edge(START, "start")
    graph.add_conditional_edges("start", next_node)
    graph.add_edge("reason", "execute")
    graph.add_conditional_edges("execute", next_node)
    graph.add_edge("answer", END)
    return graph.compile(checkpointer=checkpointer, name="storm")


def next_node(state: State) -> Literal["reason", "answer"]:
    """Reason until the run has stopped."""
    return "answer" if nodes.is_over(state) else "reason"


graph = build()
"""For `langgraph.json`."""
