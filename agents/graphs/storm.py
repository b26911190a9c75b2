"""STORM, the state machine for solving: reason -> execute -> reason -> ... -> answer.

    graph = build(lambda: Parts(reasoner=reasoner, sandbox=sandbox))
    graph.invoke({"messages": [{"role": "user", "content": "A workshop makes ..."}]})["answer"]

With `Parts.guarded` an intervener watches the agent, with the nodes of CALM: it inspects each segment before its
program runs, and the finished trajectory. At a flaw it cuts the trajectory and adds a hint, from which the model
continues.

It is the solve loop (`env.solve_loop`) as a graph, for Studio and `storm solve`. The server calls the loop directly: a
graph would add about 2 ms per request.
"""

from contextlib import suppress
from functools import partial
from typing import Any, Literal

from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from storm_calm.agents.graphs import nodes
from storm_calm.agents.graphs.components import Supply, default_parts
from storm_calm.agents.graphs.intervention_nodes import detect, intervene, unwatched
from storm_calm.agents.graphs.state import Question, StormState, chat_key, problem_of
from storm_calm.agents.reasoners.nano_scope import out_of_scope
from storm_calm.agents.verdict import examine_answer
from storm_calm.env.plans.explanation import plan_lines
from storm_calm.env.serialize import to_json
from storm_calm.sandbox import SandboxUnavailableError


def build(supply: Supply = default_parts, *, checkpointer: Any = None) -> CompiledStateGraph:
    """Compile the graph. supply: returns its parts. checkpointer: stores the state, for resuming."""
    graph = StateGraph(StormState, input_schema=Question)
    graph.add_node("start", partial(start, supply))
    graph.add_node("reason", partial(nodes.reason, supply))
    graph.add_node("detect", partial(detect, supply))
    graph.add_node("intervene", partial(intervene, supply))
    graph.add_node("execute", partial(nodes.execute, supply))
    graph.add_node("answer", partial(answer, supply))

    def after_reason(state: StormState) -> Literal["detect", "execute"]:
        return "detect" if supply().guarded else "execute"

    def after_execute(state: StormState) -> Literal["reason", "detect", "answer"]:
        if not nodes.is_over(state):
            return "reason"
        return "detect" if supply().guarded else "answer"

    graph.add_edge(START, "start")
    graph.add_conditional_edges("start", next_node)
    graph.add_conditional_edges("reason", after_reason)
    graph.add_conditional_edges("detect", after_detect)
    graph.add_conditional_edges("intervene", next_node)
    graph.add_conditional_edges("execute", after_execute)
    graph.add_edge("answer", END)
    return graph.compile(checkpointer=checkpointer, name="storm")


def start(supply: Supply, state: Question) -> dict[str, Any]:
    """Start a trajectory. A nano model declines a question outside its problem families."""
    started = {**nodes.start(supply, state), **unwatched()}
    declined = out_of_scope(supply().reasoner, problem_of(state).question)
    if declined is None:
        return {**started, "declined": None}
    return {**started, "declined": declined, "messages": [*started.get("messages", ()), AIMessage(content=declined)]}


def answer(supply: Supply, state: StormState) -> dict[str, Any]:
    """Read the answer, and show the plan behind it, examined. Without a sandbox there is no examination."""
    answered = {**nodes.answer(state), "examination": None}
    episode = nodes.episode_of(state)
    with suppress(SandboxUnavailableError):
        examined = examine_answer(episode, supply().sandbox)
        if examined is not None:
            text = "\n\n".join(plan_lines(examined.solve, examined.examination))
            shown = AIMessage(id=f"{chat_key(episode, state.get('messages', []))}/plan", content=text, name="examiner")
            return {**answered, "examination": to_json(examined.examination), "messages": [shown]}
    return answered


def next_node(state: StormState) -> Literal["reason", "answer"]:
    return "answer" if nodes.is_over(state) or state["declined"] else "reason"


def after_detect(state: StormState) -> Literal["intervene", "execute", "answer"]:
    if state["finding"]:
        return "intervene"
    return "answer" if nodes.is_over(state) else "execute"


graph = build()
"""The graph for `langgraph.json`."""
