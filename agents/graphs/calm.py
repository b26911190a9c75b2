"""CALM, the machine that curates: reason -> detect -> (intervene -> reason) | (execute -> reason) | judge.

    graph = build(lambda: Parts(reasoner=reasoner, sandbox=sandbox))
    graph.invoke({"problem": to_json(problem), "seed": 7})["outcome"]

Detect looks at each segment before its program runs; the judge looks at the whole run once it has stopped, and either
sends it back to where its first flaw is or says what became of it. The intervener never sees the accepted answer. After
arXiv 2510.04204.

A person may take the intervener's place (`context={"intervener": "person"}`, with a checkpointer): then the machine
stops at `review` instead of `detect`, and once more before the judge.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from storm_calm.agents.graphs import nodes
from storm_calm.agents.graphs.components import Parts, Supply, default_parts
from storm_calm.agents.graphs.golden import outcome
from storm_calm.agents.graphs.human_review import review
from storm_calm.agents.graphs.state import CalmState, Context, Question
from storm_calm.agents.interveners import Cost, Inspection
from storm_calm.env import Episode, Finding
from storm_calm.env.serialize import from_json, to_json


def build(supply: Supply = default_parts, *, checkpointer: Any = None) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The machine. supply: gives its parts. checkpointer: keeps the state, for runs that go on after a kill."""
    graph = StateGraph(CalmState, context_schema=Context, input_schema=Question)
    graph.add_node("start", partial(start, supply))
    graph.add_node("reason", partial(nodes.reason, supply))
    graph.add_node("detect", partial(detect, supply))
    graph.add_node("review", partial(review, supply))
    graph.add_node("intervene", partial(intervene, supply))
    graph.add_node("execute", partial(nodes.execute, supply))
    graph.add_node("judge", partial(judge, supply))
    graph.add_edge(START, "start")
    graph.add_conditional_edges("start", next_node)
    graph.add_conditional_edges("reason", after_reason)
    graph.add_conditional_edges("detect", after_detect)
    graph.add_conditional_edges("review", after_review)
    graph.add_conditional_edges("intervene", next_node)
    graph.add_conditional_edges("execute", next_node)
    graph.add_conditional_edges("judge", after_judge)
    return graph.compile(checkpointer=checkpointer, name="calm")


def start(supply: Supply, state: Question, runtime: Runtime[Context]) -> dict[str, Any]:
    """Begin a run, and settle who watches it. A client that sends no context gets the rules."""
    context = runtime.context or Context()
    fresh: dict[str, Any] = {"intervener": context.intervener, "finding": None, "hint": None, "outcome": None}
    fresh |= {"rejected_hints": [], "cost": to_json(Cost())}
    return {**nodes.start(supply, state), **fresh}


def detect(supply: Supply, state: CalmState) -> dict[str, Any]:
    """Look for a flaw in what was written, as long as there are interventions left to mend it with."""
    parts, episode = supply(), nodes.episode_of(state)
    if not parts.hints_left(episode):
        return {"finding": None, "hint": None}
    seen = parts.inspect(episode)
    return {**record(seen, state), **(repair(parts, episode, seen) or {"finding": None, "hint": None})}


def intervene(supply: Supply, state: CalmState) -> dict[str, Any]:
    """Cut the run where the flaw begins, and put a hint there."""
    env = supply().env(nodes.episode_of(state))
    kept, hint = state["finding"], state["hint"]
    assert kept is not None, "detect, review and judge come here with a finding and a hint only"
    assert hint is not None, "the same"
    finding = from_json(Finding, kept)
    intervention = env.intervene(finding, hint)
    tail = env.episode.transcript.spans[-1]
    nodes.emit_event(source="hint", text=tail.text, cut=intervention.cut, trigger=finding.trigger)
    return {**nodes.update(env.episode, state), "finding": None, "hint": None}


def judge(supply: Supply, state: CalmState) -> dict[str, Any]:
    """Look at the whole run: send it back to its first flaw, or say what became of it."""
    parts, episode = supply(), nodes.episode_of(state)
    if by_person(state):
        kept = state.get("finding")
        seen = Inspection(finding=from_json(Finding, kept) if kept else None, hint=state.get("hint"))
    else:
        seen = Inspection() if episode.stop == "infrastructure" else parts.inspect(episode)
    noted = record(seen, state)
    if repairing := repair(parts, episode, seen):
        return {**noted, **repairing, "outcome": None}
    verdict = outcome(episode, seen.finding, usable=seen.usable, max_hint_share=parts.max_hint_share)
    found = to_json(seen.finding) if seen.finding else None
    return {**noted, "finding": found, "hint": None, "outcome": verdict, **nodes.answer(state)}


def repair(parts: Parts, episode: Episode, seen: Inspection) -> dict[str, Any] | None:
    """The finding and the hint to intervene with; None where there is nothing to mend, or nothing to mend it with."""
    if seen.finding is None or seen.hint is None or not parts.may_hint(episode, seen.finding):
        return None
    return {"finding": to_json(seen.finding), "hint": seen.hint}


def record(seen: Inspection, state: CalmState) -> dict[str, Any]:
    """What inspecting took and what was refused, all together."""
    cost = from_json(Cost, state["cost"]) + seen.cost
    rejected_hints = [*state["rejected_hints"], *(to_json(rejected) for rejected in seen.rejected_hints)]
    return {"cost": to_json(cost), "rejected_hints": rejected_hints}


def by_person(state: CalmState) -> bool:
    """Whether a person looks at the run."""
    return state.get("intervener") == "person"


def next_node(state: CalmState) -> Literal["reason", "review", "judge"]:
    """Reason until the run has stopped; then a person looks at it before the judge does."""
    if not nodes.is_over(state):
        return "reason"
    return "review" if by_person(state) else "judge"


def after_reason(state: CalmState) -> Literal["detect", "review"]:
    """To whoever watches."""
    return "review" if by_person(state) else "detect"


def after_detect(state: CalmState) -> Literal["intervene", "execute"]:
    """Mend what was found before anything runs."""
    return "intervene" if state["finding"] else "execute"


def after_review(state: CalmState) -> Literal["intervene", "execute", "judge"]:
    """As after detect; with a run that is over, on to the judge."""
    return "judge" if nodes.is_over(state) else after_detect(state)


def after_judge(state: CalmState) -> Literal["intervene", "__end__"]:
    """Back to the flaw, or out."""
    return "__end__" if state["outcome"] else "intervene"


graph = build(partial(default_parts, "nano-base"))
"""For `langgraph.json`."""
