"""The native run, without interventions, as a graph: reason -> execute -> reason -> ... until the trajectory ends.

    graph = build(lambda: parts, checkpointer=checkpoints)
    run_graph(graph, thread=native_thread(problem.id), question={"problem": to_json(problem), "seed": 7})["episode"]

The trajectory is the same as that of `env.solve_loop.run_episode`; the checkpointer lets it resume after a crash.
"""

from functools import partial
from typing import Any, Literal

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from storm_calm.agents.graphs import nodes
from storm_calm.agents.graphs.components import Supply
from storm_calm.agents.graphs.state import Question, State


def build(supply: Supply, *, checkpointer: Any = None) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Compile the graph. supply: returns its parts. checkpointer: stores the state, for resuming."""
    graph = StateGraph(State, input_schema=Question)
    graph.add_node("start", partial(nodes.start, supply))
    graph.add_node("reason", partial(nodes.reason, supply))
    graph.add_node("execute", partial(nodes.execute, supply))
    graph.add_edge(START, "start")
    graph.add_conditional_edges("start", next_node)
    graph.add_edge("reason", "execute")
    graph.add_conditional_edges("execute", next_node)
    return graph.compile(checkpointer=checkpointer, name="native")


def next_node(state: State) -> Literal["reason", "__end__"]:
    return "__end__" if nodes.is_over(state) else "reason"


def native_thread(id: str) -> str:
    """Return the thread of a problem's native run, beside the thread `id` of its run under CALM."""
    return f"{id}/native"
