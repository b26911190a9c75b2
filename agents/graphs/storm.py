"""STORM, the machine that solves: reason -> execute -> reason -> ... -> answer.

    graph = build(lambda: Parts(reasoner=reasoner, sandbox=sandbox))
    graph.invoke({"messages": [{"role": "user", "content": "A workshop makes ..."}]})["answer"]

What Studio and `storm solve` run: the solve loop (`env.solve_loop`) as a graph. The server runs the loop itself: a
graph for each request would cost about 2 ms, and add nothing to it.
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
    graph = StateGraph(State, input_schema=Question)
    graph.add_node("start", partial(nodes.start, supply))
    graph.add_node("reason", partial(nodes.reason, supply))
    graph.add_node("execute", partial(nodes.execute, supply))
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
