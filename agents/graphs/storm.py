"""STORM, the state machine for solving: reason -> execute -> reason -> ... -> answer.

    graph = build(lambda: Parts(reasoner=reasoner, sandbox=sandbox))
    graph.invoke({"messages": [{"role": "user", "content": "A workshop makes ..."}]})["answer"]

It is the solve loop (`env.solve_loop`) as a graph, for Studio and `storm solve`. The server calls the loop directly: a
graph would add about 2 ms per request.
"""

from functools import partial
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from storm_calm.agents.graphs import nodes
from storm_calm.agents.graphs.components import Supply, default_parts
from storm_calm.agents.graphs.state import Question, State


def build(supply: Supply = default_parts, *, checkpointer: Any = None) -> CompiledStateGraph:
    """Compile the graph. supply: returns its parts. checkpointer: stores the state, for resuming."""
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
    return "answer" if nodes.is_over(state) else "reason"


graph = build()
"""The graph for `langgraph.json`."""
