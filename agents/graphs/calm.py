"""CALM, the state machine for curation: reason -> detect -> (intervene -> reason) | (execute -> reason) | judge.

    graph = build(lambda: Parts(reasoner=reasoner, sandbox=sandbox))
    graph.invoke({"problem": to_json(problem), "seed": 7})["outcome"]

Detect inspects each segment before its program runs. The judge inspects the finished trajectory, and either sends it
back to its first flaw or sets the outcome. The intervener never sees the accepted answer. After arXiv 2510.04204.

With the native trajectory of a problem as `native`, CALM takes over its text up to the first flaw. A trajectory without
a flaw then costs its tokens once, and both are comparable on servers that do not repeat a text for the same seed.

With `context={"intervener": "person"}` and a checkpointer, a person replaces the intervener: the graph interrupts at
`review` instead of `detect`, and once more before the judge.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from storm_calm.agents.graphs import nodes
from storm_calm.agents.graphs.components import Supply, default_parts
from storm_calm.agents.graphs.golden import outcome
from storm_calm.agents.graphs.human_review import review
from storm_calm.agents.graphs.intervention_nodes import detect, intervene, record, repair, unwatched
from storm_calm.agents.graphs.state import CalmQuestion, CalmState, Context
from storm_calm.agents.interveners import Inspection
from storm_calm.agents.verdict import check_answer
from storm_calm.env import Episode, Finding, Span
from storm_calm.env.serialize import from_json, to_json


def build(supply: Supply = default_parts, *, checkpointer: Any = None) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Compile the graph. supply: returns its parts. checkpointer: stores the state, for resuming and for reviews."""
    graph = StateGraph(CalmState, context_schema=Context, input_schema=CalmQuestion)
    steps: dict[str, tuple[Callable[..., Any], Callable[..., str]]] = {
        "start": (start, next_node),
        "reason": (reason, after_reason),
        "detect": (detect, after_detect),
        "review": (review, after_review),
        "intervene": (intervene, next_node),
        "execute": (nodes.execute, next_node),
        "judge": (judge, after_judge),
    }
    graph.add_edge(START, "start")
    for name, (node, route) in steps.items():
        graph.add_node(name, partial(node, supply))
        graph.add_conditional_edges(name, route)
    return graph.compile(checkpointer=checkpointer, name="calm")


def start(supply: Supply, state: CalmQuestion, runtime: Runtime[Context]) -> dict[str, Any]:
    """Start a trajectory and set its intervener, by default that of the parts."""
    context = runtime.context or Context()
    return {**nodes.start(supply, state), **unwatched(), "intervener": context.intervener, "outcome": None}


def reason(supply: Supply, state: CalmState) -> dict[str, Any]:
    """Take the next segment from the native trajectory while both are equal, or else generate one."""
    episode, native = nodes.episode_of(state), state.get("native")
    span = next_span(from_json(Episode, native), episode) if native else None
    if span is None:
        return nodes.reason(supply, state)
    env = supply().env(episode)
    env.replay(span)
    return nodes.update(env.episode, state)


def next_span(native: Episode, episode: Episode) -> Span | None:
    """Return the model's text that follows the episode's transcript in the native one; None if they differ."""
    spans, so_far = native.transcript.spans, episode.transcript.spans
    if spans[: len(so_far)] != so_far or len(spans) == len(so_far):
        return None
    following = spans[len(so_far)]
    return following if following.source == "model" else None


def judge(supply: Supply, state: CalmState) -> dict[str, Any]:
    """Inspect the finished trajectory: send it back to its first flaw, or set the outcome."""
    parts, episode = supply(), nodes.episode_of(state)
    if by_person(state):
        data = state.get("finding")
        seen = Inspection(finding=from_json(Finding, data) if data else None, hint=state.get("hint"))
    else:
        seen = Inspection() if episode.stop == "infrastructure" else parts.guard.inspect(episode)
    recorded = record(seen, state)
    if repairing := repair(parts, episode, seen):
        return {**recorded, **repairing, "outcome": None}
    verdict = outcome(
        episode,
        seen.finding,
        usable=seen.usable,
        checked=lambda: check_answer(episode, parts.sandbox),
        max_hint_share=parts.max_hint_share,
    )
    finding = to_json(seen.finding) if seen.finding else None
    return {**recorded, "finding": finding, "hint": None, "outcome": verdict, **nodes.answer(state)}


def by_person(state: CalmState) -> bool:
    return state.get("intervener") == "person"


def next_node(state: CalmState) -> Literal["reason", "review", "judge"]:
    """Reason until the trajectory has stopped; then go to the judge, with a person by way of the review."""
    if not nodes.is_over(state):
        return "reason"
    return "review" if by_person(state) else "judge"


def after_reason(state: CalmState) -> Literal["detect", "review"]:
    return "review" if by_person(state) else "detect"


def after_detect(state: CalmState) -> Literal["intervene", "execute"]:
    """Intervene on a finding, before the program runs."""
    return "intervene" if state["finding"] else "execute"


def after_review(state: CalmState) -> Literal["intervene", "execute", "judge"]:
    return "judge" if nodes.is_over(state) else after_detect(state)


def after_judge(state: CalmState) -> Literal["intervene", "__end__"]:
    return "__end__" if state["outcome"] else "intervene"


graph = build(partial(default_parts, "nano-base"))
"""The graph for `langgraph.json`."""
